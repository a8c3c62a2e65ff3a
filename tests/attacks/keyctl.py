"""The kernel's key rings, which outlive a job and are shared by a user's processes."""
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
ADD_KEY, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
PROCESS_KEYRING, GET_KEYRING_ID, USER_KEYRING = -2, 0, -4
if libc.syscall(KEYCTL, GET_KEYRING_ID, USER_KEYRING, 1) > 0:
    print("REACHED the user's ring")
if libc.syscall(ADD_KEY, b"user", b"attack", b"x", 1, PROCESS_KEYRING) > 0:
    print("REACHED a new key")
print("TRIED")
