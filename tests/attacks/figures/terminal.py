"""Not an attack: somebody at a terminal, who runs the command that is the first argument and then types a line.

What the terminal showed is printed; `GOT:` stands before the line that was typed.
"""
import fcntl
import os
import pty
import select
import signal
import sys
import termios

master, slave = pty.openpty()
command = sys.argv[1]
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)
    os.closerange(3, 64)
    signal.alarm(100)
    os.execvp("sh", ["sh", "-c", command + "\necho NOW; IFS= read -r line; echo \"GOT:$line\""])
os.close(slave)
shown, asked = b"", False
while True:
    ready, _, _ = select.select([master], [], [], 100)
    try:
        read = os.read(master, 65536) if ready else b""
    except OSError:
        read = b""
    if not read:
        break
    shown += read
    if not asked and b"NOW\r\n" in shown:
        asked = True
        os.write(master, b"nothing\n")
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
