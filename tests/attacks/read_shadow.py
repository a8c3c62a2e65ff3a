"""The password hashes, by every name that might lead to them."""
import glob

for path in ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", *glob.glob("/proc/[0-9]*/root/etc/shadow")]:
    try:
        with open(path) as file:
            print("REACHED", path, len(file.readline()), "bytes of its first line")
    except OSError:
        pass
print("TRIED")
