"""Memory without end; at most 512 MiB here."""
held = []
for count in range(1, 33):
    held.append(b"x" * (16 << 20))
    print("ALLOCATED", 16 * count, flush=True)
print("TRIED")
