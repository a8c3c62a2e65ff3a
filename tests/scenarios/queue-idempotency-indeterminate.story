A key whose request is `indeterminate` binds until a person has said what came of it: one that succeeded answers the next one, one that failed lets it run.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")
echo began >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/a.yml
kind: hold
idempotency_key: release-1
resource: one
spec:
  file: [STORY]/tmp/a
--- file requests/b.yml
kind: hold
idempotency_key: release-2
resource: two
spec:
  file: [STORY]/tmp/b
--- remote none
--- run
touch "$STORY/tmp/a" "$STORY/tmp/b" && chmod 666 "$STORY/tmp/a" "$STORY/tmp/b"
dispatch run --jobs 2 & running=$!
until [ -s "$STORY/tmp/a" ] && [ -s "$STORY/tmp/b" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
mkdir -p requests
printf "kind: hold\nidempotency_key: release-1\nresource: one\nspec:\n  file: $STORY/tmp/a\n" > requests/a-again.yml
printf "kind: hold\nidempotency_key: release-2\nresource: two\nspec:\n  file: $STORY/tmp/b\n" > requests/b-again.yml
merge again
dispatch run
dispatch why a-again
cat "$STORY/tmp/a" "$STORY/tmp/b" | wc -l
--- stdout has
is indeterminate: `dispatch resolve
2
--- tree requests
requests/a-again.yml
requests/b-again.yml
--- run
dispatch resolve a --succeeded >/dev/null
dispatch resolve b --failed >/dev/null
dispatch run
wc -l < "$STORY/tmp/a"
wc -l < "$STORY/tmp/b"
--- stdout
1
2
--- content logs/a-again/status.yml outcome reason exit_code
outcome: succeeded
exit_code: 0
reason: replay
--- content logs/b-again/status.yml outcome
outcome: succeeded
--- tree requests
