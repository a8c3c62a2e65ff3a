Somebody takes the claim away while the request runs: its record is published all the same, and it is never run again.
--- host
node: web-1
claims: remote
levels: {none: [once]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {level: none}}
--- file handlers/once.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp$' "$1")
echo began >> "$folder/began"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: once
spec:
  folder: [STORY]/tmp
--- run
dispatch run 2> "$STORY/tmp/run.err" & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
for ref in $(origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks); do origin update-ref -d "$ref"; done
touch "$STORY/tmp/go"
wait "$running"
tail -1 "$STORY/tmp/run.err"
wc -l < "$STORY/tmp/began"
--- stdout has
1 succeeded; 1 published
1
--- tree requests processed
processed/a.yml
--- history
executor: [UUID] rc=0
start
