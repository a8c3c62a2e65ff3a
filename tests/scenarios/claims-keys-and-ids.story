Idempotency keys and ids mean the same on every host: one learns from main what another has recorded, and neither runs it again.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
spec: {n: 1}
idempotency_key: release-42
id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31
--- run
dispatch -q run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
mkdir -p requests
printf 'kind: once\nspec: {n: 1}\nidempotency_key: release-42\n' > requests/b.yml
printf 'kind: once\nspec: {n: 2}\nidempotency_key: release-42\n' > requests/c.yml
printf 'kind: once\nid: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\n' > requests/d.yml
merge three
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch run 2>&1
DISPATCH_HOST="$STORY/second.yaml" dispatch list
--- stdout has
1 succeeded, 2 rejected; 3 published
--- content logs/b/status.yml outcome reason replay_of host
outcome: succeeded
reason: replay
host: web-2
replay_of: [UUID]
--- content has logs/c/status.yml
idempotency_mismatch
--- content has logs/d/status.yml
duplicate_id
--- run
# What the other has never met in the inbox is known as well.
git pull -q
mkdir -p requests
printf 'kind: once\nspec: {n: 3}\nidempotency_key: release-43\n' > requests/e.yml
merge e
dispatch -q run
mkdir -p requests
printf 'kind: once\nspec: {n: 3}\nidempotency_key: release-43\n' > requests/f.yml
merge f
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch -q run
--- content logs/f/status.yml outcome reason
outcome: succeeded
reason: replay
--- tree requests
