"""A daemon by the book: fork, setsid, fork again, and the name of a kernel thread."""
import os
import signal
import time

told, tells = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.write(tells, b"x")
    os.closerange(0, 64)
    time.sleep(100000)
os.read(told, 1)
print("TRIED", flush=True)
