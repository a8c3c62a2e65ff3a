"""A unix socket in the host's file tree that everybody may connect to, as Docker's or a database's."""
import os
import socket

for kind, path in [(socket.SOCK_STREAM, os.environ["SOCKET"]), (socket.SOCK_DGRAM, os.environ["SOCKET"] + "-datagram")]:
    for way in [path, f"/proc/1/root{path}"]:
        try:
            with socket.socket(socket.AF_UNIX, kind) as one:
                one.connect(way)
                one.sendall(os.environ["TOKEN"].encode())
        except OSError:
            pass
print("TRIED")
