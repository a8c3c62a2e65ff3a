A dispatcher that is killed while a handler runs: no other host starts the request, whatever it looks like from there, until the first has said what became of it.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/a.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- file requests/b.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
# The other request waits as well: it stands behind on the same resource.
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch run 2>&1
DISPATCH_HOST="$STORY/second.yaml" dispatch list
wc -l < "$STORY/tmp/began"
--- stdout has
2 wait for other nodes
claimed by node web-1 since
its resource `hold` is locked by node web-1
1
--- run
printf '#!/bin/sh\n' > handlers/hold.sh; merge 'a quick one'
dispatch run 2>&1
wc -l < "$STORY/tmp/began"
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
1 succeeded, 1 indeterminate; 2 published
1
--- stdout lacks
refs/dispatch
--- content logs/a/status.yml outcome host
outcome: indeterminate
host: web-1
--- content logs/b/status.yml outcome
outcome: succeeded
