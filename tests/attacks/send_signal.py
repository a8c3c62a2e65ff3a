"""Ends a process of the same user, by each call that sends a signal."""
import os
import signal

victim = int(os.environ["VICTIM"])


def by_descriptor():
    signal.pidfd_send_signal(os.pidfd_open(victim), signal.SIGKILL)


for way in [lambda: os.kill(victim, signal.SIGKILL), lambda: os.killpg(os.getpgid(victim), signal.SIGKILL), by_descriptor]:
    try:
        way()
    except (OSError, AttributeError):
        pass
print("TRIED")
