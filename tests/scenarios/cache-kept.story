A cache is kept for a kind and its lock keys: the next run of the same key finds it, another key has its own, and one that has grown too large is emptied.
--- file handlers/index.yml
fetch: {run: handlers/fetch.sh, resource: "host/{spec.host}", sandbox: {cache: 1MiB}}
plain: {run: handlers/plain.sh}
--- file handlers/fetch.sh
#!/bin/sh
set -eu
echo x >> "$DISPATCH_CACHE/runs"
wc -l < "$DISPATCH_CACHE/runs"
if grep -q 'fill: true' "$1"; then head -c 4000000 /dev/zero > "$DISPATCH_CACHE/much"; fi
--- file handlers/plain.sh
#!/bin/sh
echo "cache: ${DISPATCH_CACHE-none}"
--- file requests/1.yml
kind: fetch
spec: {host: a}
--- file requests/2.yml
kind: fetch
spec: {host: a}
--- file requests/3.yml
kind: fetch
spec: {host: b}
--- file requests/4.yml
kind: fetch
spec: {host: a, fill: true}
--- file requests/5.yml
kind: fetch
spec: {host: a}
--- file requests/6.yml
kind: plain
--- run
dispatch run
git pull -q
for n in 1 2 3 4 5 6; do cat logs/$n/handler.log; done
--- stdout
1
2
1
3
1
cache: none
--- content has logs/4/status.yml
the cache held more than 1MiB and was emptied
