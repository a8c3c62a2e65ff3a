"""New namespaces by each call that makes one, and the host's by the call that enters one."""
import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
CLONE, CLONE3, UNSHARE, SETNS = {"x86_64": (56, 435, 272, 308), "aarch64": (220, 435, 97, 268)}[platform.machine()]
NEWUSER, SIGCHLD = 0x10000000, 17


def told(name, pid):
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
        print("REACHED a user namespace by", name, flush=True)


told("clone", libc.syscall(CLONE, NEWUSER | SIGCHLD, 0, 0, 0, 0))
arguments = (ctypes.c_uint64 * 8)(NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0)
told("clone3", libc.syscall(CLONE3, arguments, 64))
pid = os.fork()
if pid == 0:
    os._exit(0 if libc.syscall(UNSHARE, NEWUSER) == 0 else 1)
if os.waitpid(pid, 0)[1] == 0:
    print("REACHED a user namespace by unshare")
print("TRIED")
