"""Reads the memory of a process of the same user: as a debugger does, through proc, and by the call made for it."""
import ctypes
import os
import platform
import re

victim = int(os.environ["VICTIM"])
libc = ctypes.CDLL(None, use_errno=True)
PROCESS_VM_READV = {"x86_64": 310, "aarch64": 270}[platform.machine()]
PTRACE_SEIZE, WANTED = 0x4206, re.compile(rb"canary-[0-9a-f-]+")


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def regions():
    with open(f"/proc/{victim}/maps") as maps:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(word, 16) for word in span.split("-"))
            if mode.startswith("rw") and end - start <= 32 << 20:
                yield start, end - start


def through_proc():
    with open(f"/proc/{victim}/mem", "rb", 0) as memory:
        for start, length in regions():
            memory.seek(start)
            yield memory.read(length)


def by_call():
    for start, length in regions():
        buffer = ctypes.create_string_buffer(length)
        ours, theirs = Vector(ctypes.addressof(buffer), length), Vector(start, length)
        libc.syscall(PROCESS_VM_READV, victim, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
        yield buffer.raw


for way in [through_proc, by_call]:
    try:
        for memory in way():
            if found := WANTED.search(memory):
                print(way.__name__, found[0].decode())
                break
    except OSError:
        pass
if libc.ptrace(PTRACE_SEIZE, victim, None, None) == 0:
    print("REACHED by ptrace")
print("TRIED")
