"""Threads without end; at most 400 here."""
import threading

threading.stack_size(64 << 10)
end = threading.Event()
made = 0
try:
    for made in range(400):
        threading.Thread(target=end.wait, daemon=True).start()
except (RuntimeError, MemoryError):
    pass
print("FORKED", made, flush=True)
end.set()
print("TRIED")
