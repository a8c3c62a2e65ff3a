"""What a job that has ended left behind: its work folder, the shared temporary folders, its secrets."""
import glob
import os

names = ["/tmp/kept-*", "/dev/shm/kept-*", "/run/secrets/*", os.environ["DISPATCH_SECRETS"] + "/*"]
for run in [os.environ["STATE"] + end for end in ("/run/*/", ".open/run/*/")]:
    names += [run + name for name in ["work/kept-*", "work/*/kept-*", "secrets/*", "log/*"]]
names += [os.environ["DISPATCH_WORK"] + "/kept-*", os.environ["HOME"] + "/kept-*"]
for path in [path for name in names for path in glob.glob(name)]:
    try:
        with open(path) as file:
            print(path, file.read())
    except OSError:
        pass
print("TRIED")
