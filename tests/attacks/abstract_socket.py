"""A unix socket that has a name but no file: X11, D-Bus and others have been reached so."""
import os
import socket

for kind, name in [(socket.SOCK_STREAM, os.environ["ABSTRACT"]), (socket.SOCK_DGRAM, os.environ["ABSTRACT"] + "-datagram")]:
    try:
        with socket.socket(socket.AF_UNIX, kind) as one:
            one.connect("\0" + name)
            one.sendall(os.environ["TOKEN"].encode())
    except OSError:
        pass
print("TRIED")
