"""A listener on the host's loopback, and a port of our own that the host could reach."""
import os
import socket

token = os.environ["TOKEN"].encode()
for family, address, port in [
    (socket.AF_INET, "127.0.0.1", os.environ["TCP_PORT"]),
    (socket.AF_INET6, "::1", os.environ["TCP6_PORT"]),
    (socket.AF_INET6, "::ffff:127.0.0.1", os.environ["TCP_PORT"]),
]:
    try:
        with socket.socket(family) as one:
            one.connect((address, int(port)))
            one.sendall(token)
    except OSError:
        pass
    # Without connect: fast open sends with the first packet.
    try:
        with socket.socket(family) as one:
            one.sendto(token, socket.MSG_FASTOPEN, (address, int(port)))
    except OSError:
        pass
print("TRIED")
