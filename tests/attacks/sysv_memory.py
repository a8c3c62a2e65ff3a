"""Shared memory of the host that has a number but no file."""
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
memory = libc.shmat(int(os.environ["SHMID"]), None, 0o10000)
if memory not in (None, ctypes.c_void_p(-1).value):
    print(ctypes.string_at(memory).decode())
print("TRIED")
