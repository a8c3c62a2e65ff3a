"""A device in the log folder that never ends: /dev/zero's."""
import os
import stat

try:
    os.mknod(os.environ["DISPATCH_LOG_DIR"] + "/left", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
except OSError:
    pass
print("TRIED")
