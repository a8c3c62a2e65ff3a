A network narrowed to ports: connects to others are refused, the host file grants it like any network, and at `none` the row is refused.
--- host
levels: {minimum: confined, none: [bare]}
network: [isolated, confined]
--- file handlers/index.yml
isolated: {run: handlers/connect.py, sandbox: {network: {tcp: [9]}}}
confined: {run: handlers/connect.py, sandbox: {level: confined, network: {tcp: [9]}}}
other: {run: handlers/connect.py, sandbox: {network: {tcp: [9]}}}
--- file handlers/connect.py
#!/usr/bin/python3
import socket
for port in 9, 10:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5)
        print(port, "open")
    except OSError as error:
        print(port, type(error).__name__)
--- file requests/a.yml
kind: isolated
--- file requests/b.yml
kind: confined
--- file requests/c.yml
kind: other
--- run
dispatch run
--- content logs/a/handler.log
9 ConnectionRefusedError
10 PermissionError
--- content logs/b/handler.log
9 ConnectionRefusedError
10 PermissionError
--- content has logs/b/status.yml
level: confined
landlock.net
--- content logs/c/status.yml outcome
outcome: rejected
--- content has logs/c/error.log
network: [isolated, confined, other]
