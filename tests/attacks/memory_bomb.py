"""Memory without end; at most 256 MiB here."""
held = []
for count in range(1, 17):
    held.append(b"x" * (16 << 20))
    print("ALLOCATED", 16 * count, flush=True)
print("TRIED")
