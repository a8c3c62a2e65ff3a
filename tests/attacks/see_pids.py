"""Whether a process exists: a signal that is refused says something else than one that has no addressee."""
import errno
import os

try:
    os.kill(int(os.environ["VICTIM"]), 0)
    print("REACHED: it exists")
except OSError as error:
    if error.errno != errno.ESRCH:
        print("REACHED: it exists, since the refusal says", error.strerror)
print("TRIED")
