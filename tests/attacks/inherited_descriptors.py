"""Descriptors that whoever started the dispatcher left open."""
import os

for number in range(3, 256):
    try:
        print(number, os.pread(number, 200, 0).decode(errors="replace"))
    except OSError:
        pass
print("TRIED")
