"""Leaves programs that would lend this user's rights to whoever starts them on the host."""
import os
import shutil

for place in [os.environ["DISPATCH_WORK"], os.environ["DISPATCH_LOG_DIR"], os.environ["HOME"], "."]:
    path = f"{place}/setuid"
    try:
        shutil.copy("/usr/bin/id", path)
        os.chmod(path, 0o6755)
    except OSError:
        pass
print("TRIED", flush=True)
raise SystemExit(1)
