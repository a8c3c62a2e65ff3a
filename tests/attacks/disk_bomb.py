"""Fills the folders that a handler may write to; at most 64 MiB each."""
import os
import time

print("TRIED", flush=True)
block = b"x" * (1 << 20)
places = os.environ["PLACES"].split(":")
for place in (os.path.expandvars(place) for place in places):
    path = f"{place}/bomb-{os.environ['TOKEN']}"
    count = 0
    try:
        with open(path, "wb", 0) as file:
            while count < 64 and file.write(block) == len(block):
                count += 1
    except OSError:
        pass
    print("FILLED", place, count, flush=True)
    if place in ("/tmp", "/dev/shm"):
        try:
            os.remove(path)
        except OSError:
            pass
    elif count > 32 and "DISPATCH_ID" in os.environ:
        # Whoever looks from time to time finds it.
        time.sleep(30)
