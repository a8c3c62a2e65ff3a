"""Lowers another process' limits and priority. No signal, no trace: the same user is enough."""
import os
import resource

victim = int(os.environ["VICTIM"])
for way in [
    lambda: resource.prlimit(victim, resource.RLIMIT_NOFILE, (7, 7)),
    lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
    lambda: os.setpriority(os.PRIO_PGRP, victim, 19),
    lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19),
    lambda: os.sched_setscheduler(victim, os.SCHED_IDLE, os.sched_param(0)),
    lambda: os.sched_setaffinity(victim, {max(os.sched_getaffinity(0))}),
]:
    try:
        way()
    except OSError:
        pass
print("TRIED")
