A person's word on a request that ended `indeterminate` counts on every host: what waits for its idempotency key on another one goes by it.
--- host
node: web-1
claims: remote
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
spec:
  file: [STORY]/tmp/a
--- run
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
git clone -q "$STORY/origin.git" "$STORY/second"
touch "$STORY/tmp/a" && chmod 666 "$STORY/tmp/a"
dispatch run & running=$!
until [ -s "$STORY/tmp/a" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch -q run
mkdir -p requests
printf "kind: hold\nidempotency_key: release-1\ntarget: {node: web-2}\nspec:\n  file: $STORY/tmp/a\n" > requests/b.yml
merge again
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
dispatch resolve a --succeeded >/dev/null
dispatch -q run
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
wc -l < "$STORY/tmp/a"
--- stdout
1
--- content logs/b/status.yml outcome reason
outcome: succeeded
reason: replay
--- tree requests
--- again off
