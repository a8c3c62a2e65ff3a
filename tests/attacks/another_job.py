"""The secret of a job that runs meanwhile: in its environment, its memory of files, and on the disk."""
import glob
import os
import re
import time

meet = os.environ["MEET"]
wanted = re.compile(rb"canary-[0-9a-f-]+")
try:
    while not os.path.exists(f"{meet}/up"):
        time.sleep(0.01)
    places = ["/proc/[0-9]*/environ", "/proc/[0-9]*/root/run/secrets/*", "/run/secrets/*"]
    places += [os.environ["STATE"] + end for end in ("/run/*/secrets/*", ".open/run/*/secrets/*")]
    places.append("/dev/shm/codex-dispatch-secrets-*/*")
    for path in [path for place in places for path in glob.glob(place)]:
        try:
            with open(path, "rb") as file:
                if found := wanted.search(file.read(1 << 16)):
                    print("in", path, found[0].decode())
        except OSError:
            pass
finally:
    open(f"{meet}/done", "w").close()
print("TRIED")
