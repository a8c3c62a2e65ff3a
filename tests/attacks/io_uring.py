"""The ring, which does file and socket calls that no filter sees."""
import ctypes

parameters = ctypes.create_string_buffer(120)
ring = ctypes.CDLL(None, use_errno=True).syscall(425, 4, parameters)
if ring >= 0:
    print("REACHED a ring")
print("TRIED")
