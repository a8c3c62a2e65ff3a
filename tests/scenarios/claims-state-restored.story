A state folder that is put back from an older copy: what it has claimed since and knows nothing of is not started again; a person looks, and it ends `indeterminate`.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
grep -q quick "$1" && exit 0
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/first.yml
kind: hold
spec: {quick: true}
--- run
dispatch -q run
cp -a .git/dispatch "$STORY/tmp/copy"
mkdir -p requests
printf 'kind: hold\nspec:\n  file: %s/tmp/began\n' "$STORY" > requests/a.yml
merge a
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
cp -a "$STORY/tmp/copy" .git/dispatch
printf '#!/bin/sh\n' > handlers/hold.sh
merge 'a quick one'
--- run 75
dispatch run
--- stderr has
claimed by this node since
its state folder knows nothing of that: it was lost, or is an older copy
dispatch adopt
--- tree requests
requests/a.yml
--- run
dispatch adopt
dispatch run 2>&1
wc -l < "$STORY/tmp/began"
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
adopted 1 claim(s) of node web-1
1 indeterminate; 1 published
1
--- stdout lacks
refs/dispatch
--- content logs/a/status.yml outcome reason
outcome: indeterminate
reason: state_restored
