"""A datagram to the host's loopback."""
import os
import socket

for family, address, port in [
    (socket.AF_INET, "127.0.0.1", os.environ["UDP_PORT"]),
    (socket.AF_INET6, "::ffff:127.0.0.1", os.environ["UDP_PORT"]),
]:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.sendto(os.environ["TOKEN"].encode(), (address, int(port)))
    except OSError:
        pass
print("TRIED")
