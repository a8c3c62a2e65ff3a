A request that waits for its next attempt keeps its claim and leaves its resource to others; it takes that again before the attempt.
--- host
node: web-1
claims: remote
levels: {none: [again]}
--- file handlers/index.yml
again: {run: handlers/again.sh, delivery: at-least-once, retry: {attempts: 2, backoff: 2s}, resource: host/a, sandbox: {level: none}}
--- file handlers/again.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp$' "$1")
git --git-dir "$folder/../origin.git" for-each-ref refs/dispatch/locks > "$folder/locks.$DISPATCH_ATTEMPT" 2> "$folder/err.$DISPATCH_ATTEMPT"
[ "$DISPATCH_ATTEMPT" = 2 ] || exit 75
--- file requests/a.yml
kind: again
spec:
  folder: [STORY]/tmp
--- run
origin config safe.directory '*'
dispatch run 2> "$STORY/tmp/run.err" & running=$!
refs() { origin for-each-ref --format='%(refname)' "refs/dispatch/$1"; }
until [ -e "$STORY/tmp/err.1" ]; do kill -0 "$running"; sleep 0.02; done
until [ -z "$(refs locks)" ]; do kill -0 "$running"; sleep 0.02; done
refs claims | wc -l
wait "$running"
tail -1 "$STORY/tmp/run.err"
--- stdout has
1
1 succeeded; 1 published
--- content has logs/a/log.jsonl
"ev":"claimed"
