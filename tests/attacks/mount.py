"""Mounts by the newer calls."""
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
FSOPEN, OPEN_TREE = 430, 428
OPEN_TREE_CLONE = 1
if libc.syscall(FSOPEN, b"tmpfs", 0) >= 0:
    print("REACHED fsopen")
if libc.syscall(OPEN_TREE, -100, os.environ["DISPATCH_WORK"].encode(), OPEN_TREE_CLONE) >= 0:
    print("REACHED open_tree")
print("TRIED")
