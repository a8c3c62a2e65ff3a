"""Names, attributes and links of a folder of the host, without opening anything in it."""
import ctypes
import os

folder = os.path.dirname(os.environ["CANARY"])
libc = ctypes.CDLL(None, use_errno=True)
IN_CREATE = 0x100
if libc.inotify_add_watch(libc.inotify_init(), folder.encode(), IN_CREATE) >= 0:
    print("REACHED: it hears of every new name in", folder)
for way in [os.readlink, lambda path: os.listxattr(path), os.statvfs, lambda path: os.access(path, os.F_OK) or 1 / 0]:
    try:
        print("REACHED", way(folder + "/link" if way is os.readlink else os.environ["CANARY"]))
    except (OSError, ZeroDivisionError):
        pass
print("TRIED")
