"""Not an attack: a process of the same user, with a secret in its memory, its arguments and its environment."""
import signal

print("up", flush=True)
signal.pause()
