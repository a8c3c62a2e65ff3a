"""A second name for a file outside, in the log folder, as a file of its own."""
import os

for number, source in enumerate([os.environ["LINKABLE"], f"/proc/self/root{os.environ['LINKABLE']}"]):
    for target in [f"{os.environ['DISPATCH_LOG_DIR']}/left-{number}", os.environ["DISPATCH_RESULT"]]:
        try:
            os.link(source, target)
        except OSError:
            pass
print("TRIED")
