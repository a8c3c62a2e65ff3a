"""Types a command into the dispatcher's terminal, for whoever sits there to have run it (TIOCSTI)."""
import fcntl
import os

TIOCSTI = 0x5412
line = f"typed-{os.environ['TOKEN']}\n".encode()


def type_into(path):
    terminal = os.open(path, os.O_RDWR)
    for byte in line:
        fcntl.ioctl(terminal, TIOCSTI, bytes([byte]))


for path in ["/dev/tty", os.environ["TERMINAL"], "/proc/self/fd/0", "/proc/self/fd/2"]:
    try:
        type_into(path)
        break
    except OSError as error:
        print(path, error.strerror)
print("TRIED")
