"""Opens the kernel's settings and control groups for writing, and writes nothing."""
import glob
import os

places = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/overcommit_memory"]
places += glob.glob("/sys/fs/cgroup/cgroup.procs") + glob.glob("/sys/fs/cgroup/*/cgroup.procs")
for path in places + ["/dev/kmsg", "/dev/mem"]:
    try:
        os.close(os.open(path, os.O_WRONLY))
        print("REACHED", path)
    except OSError:
        pass
print("TRIED")
