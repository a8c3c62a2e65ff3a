"""Memory that belongs to no process: files without a name; at most 256 MiB here."""
import os

block = b"x" * (1 << 20)
file = os.memfd_create("bomb")
for count in range(1, 257):
    os.write(file, block)
    if count % 16 == 0:
        print("ALLOCATED", count, flush=True)
print("TRIED")
