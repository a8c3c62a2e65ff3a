"""A map of the kernel's own machine, from which programs inside the kernel begin."""
import ctypes
import platform

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MAP_CREATE, ARRAY = 0, 2
attributes = (ctypes.c_uint32 * 32)(ARRAY, 4, 4, 1)
if ctypes.CDLL(None, use_errno=True).syscall(BPF, MAP_CREATE, attributes, 128) >= 0:
    print("REACHED a map")
print("TRIED")
