"""Asks for uid 0 and for capabilities."""
import os

for way in [lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.chroot(".")]:
    try:
        way()
        print("REACHED")
    except OSError:
        pass
with open("/proc/self/status") as status:
    for line in status:
        if line.startswith(("CapEff", "CapPrm", "CapBnd", "CapAmb")) and int(line.split()[1], 16) and "Bnd" not in line:
            print("REACHED", line.strip())
print("TRIED")
