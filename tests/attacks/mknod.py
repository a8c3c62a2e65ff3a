"""A device of its own: the whole disk could be read through one. Here it is /dev/null's."""
import os
import stat

for place in [os.environ["DISPATCH_WORK"], os.environ["DISPATCH_LOG_DIR"], "/tmp", "/dev/shm"]:
    path = f"{place}/device-{os.environ['TOKEN']}"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.close(os.open(path, os.O_WRONLY))
        print("REACHED a device in", place)
    except OSError:
        pass
    if place in ("/tmp", "/dev/shm") and os.path.exists(path):
        os.remove(path)
print("TRIED")
