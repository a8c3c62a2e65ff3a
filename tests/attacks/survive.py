"""Stays whatever is said: ignores every signal that can be ignored, and so does its daemon."""
import os
import signal
import time

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, signal.SIG_IGN)
told, tells = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.write(tells, b"x")
    time.sleep(100000)
os.read(told, 1)
print("TRIED", flush=True)
time.sleep(100000)
