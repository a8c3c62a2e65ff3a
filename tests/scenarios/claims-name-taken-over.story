A state folder that is lost while its host has claims: nothing starts under that name until a person has looked; then what may run once ends `indeterminate`, and what may run again does.
--- host
node: web-1
claims: remote
jobs: 2
levels: {none: [hold, again]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
again: {run: handlers/hold.sh, delivery: at-least-once, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
grep -q quick "$1" && exit 0
echo "$DISPATCH_KIND" >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/first.yml
kind: hold
spec: {quick: true}
--- run
dispatch -q run
mkdir -p requests
printf 'kind: hold\nspec: {file: %s/tmp/began}\n' "$STORY" | sed 's/[{}]//g; s/spec: /spec:\n  /' > requests/a.yml
printf 'kind: again\nspec: {file: %s/tmp/began}\n' "$STORY" | sed 's/[{}]//g; s/spec: /spec:\n  /' > requests/b.yml
merge two
touch "$STORY/tmp/began"; chmod 666 "$STORY/tmp/began"
dispatch run & running=$!
until [ "$(wc -l < "$STORY/tmp/began")" = 2 ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch .git/dispatch.open
printf '#!/bin/sh\n' > handlers/hold.sh
merge 'a quick one'
--- run 75
dispatch run
--- stderr has
the node name `web-1` is registered by another state folder
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch run 2>&1
--- stdout has
2 wait for other nodes
--- run
dispatch list
dispatch adopt
dispatch run 2>&1
wc -l < "$STORY/tmp/began"
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
claimed by this node since
adopted the node name `web-1`, which was state
adopted 2 claim(s) of node web-1
1 succeeded, 1 indeterminate; 2 published
2
--- stdout lacks
refs/dispatch
--- content logs/a/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- content logs/b/status.yml outcome
outcome: succeeded
