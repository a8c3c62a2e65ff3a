"""More files than anybody wants to commit, deeper than anybody wants to look, and one that is too large."""
import os

folder = os.environ["DISPATCH_LOG_DIR"]


def deep():
    os.makedirs(folder + "/d" * 40)
    open(folder + "/d" * 40 + "/left-deep", "w").close()


def many():
    for number in range(1500):
        open(f"{folder}/left-{number}", "w").close()


def large():
    with open(folder + "/left-large", "wb") as file:
        file.write(b"x" * (8 << 20))


print("TRIED", flush=True)
for way in [deep, many, large]:
    try:
        way()
    except OSError as error:
        print(way.__name__, error.strerror)
