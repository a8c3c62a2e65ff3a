A host that does not claim beside one that does: it sees who is registered, starts and ends nothing, and says what to write.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
again: {run: handlers/once.sh, delivery: at-least-once}
--- file handlers/once.sh
#!/bin/sh
--- run
dispatch run 2>&1
mkdir -p requests
printf 'kind: once\n' > requests/a.yml
printf 'kind: again\n' > requests/b.yml
printf 'kind: nothing\n' > requests/c.yml
merge three
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\n' > "$STORY/second.yaml"
--- run 75
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch run
--- stderr has
node web-1 claims requests of this repository on the remote, and this host does not: write `claims: remote` in
--- tree requests
requests/a.yml
requests/b.yml
requests/c.yml
--- run
dispatch run 2>&1
--- stdout has
2 succeeded, 1 rejected; 3 published
--- tree requests
