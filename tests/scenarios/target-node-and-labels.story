A request says whose it is: other dispatchers leave it in the inbox without a fault, whatever is wrong with it, and the one that is meant judges it.
--- host
node: web-2
labels: {zone: eu}
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
target: {node: web-1}
--- file requests/b.yml
kind: once
target: {labels: {zone: eu}}
--- file requests/c.yml
kind: nothing
target: {node: web-1, labels: {zone: us}}
--- file requests/d.yml
kind: once
target: {host: web-1}
--- file requests/e.yml
kind: once
target: {node: web-1}
expires: 2026-01-02T00:00:00Z
--- run
dispatch check | grep 'requests/a.yml' || true
dispatch list
dispatch run 2>&1
--- stdout has
requests/a.yml  once  for node web-1
for node web-1
1 succeeded, 1 rejected; 2 published; 3 wait for other nodes
--- run
dispatch list
dispatch why a
dispatch list --json
--- stdout has
a     once     held
for node web-1
for node web-1 with zone=us
a is held: for node web-1
"target": {
--- tree requests processed
processed/b.yml
processed/d.yml
requests/a.yml
requests/c.yml
requests/e.yml
--- content has logs/d/error.log
unknown key `host`
--- run
printf 'node: web-1\nlabels: {zone: us}\n' > "$DISPATCH_HOST"
dispatch run 2>&1
--- stdout has
1 succeeded, 1 rejected, 1 expired; 3 published
--- tree requests
