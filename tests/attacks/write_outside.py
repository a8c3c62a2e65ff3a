"""The same folder by calls that a shell has no word for: truncation, hard links, handles of the folder."""
import os

outside = os.environ["OUTSIDE"]


def through_a_handle():
    folder = os.open(outside, os.O_PATH | os.O_DIRECTORY)
    os.close(os.open("by-handle", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=folder))


def unnamed():
    file = os.open(outside, os.O_TMPFILE | os.O_WRONLY, 0o644)
    os.link(f"/proc/self/fd/{file}", f"{outside}/unnamed", follow_symlinks=True)


for way in [
    lambda: os.truncate(f"{outside}/to-truncate", 0),
    lambda: os.link(f"{outside}/grown", f"{outside}/hard"),
    lambda: os.mkfifo(f"{outside}/fifo"),
    lambda: os.rename(os.environ["DISPATCH_WORK"] + "/home", f"{outside}/moved"),
    through_a_handle,
    unnamed,
]:
    try:
        way()
    except OSError:
        pass
print("TRIED")
