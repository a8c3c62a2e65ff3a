A request with an id of its own is edited while another host has it: the id stays the older one's, and the edit is refused for it. Nothing says of the edit that it was run.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp' "$1")
echo began >> "$folder/began"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/.gitkeep
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
printf 'kind: hold\nid: 00000000-0000-4000-8000-00000000000a\nspec:\n  folder: %s/tmp\n' "$STORY" > requests/a.yml
merge ask
dispatch -q run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
echo '# edited' >> requests/a.yml
merge edit
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run) || true
touch "$STORY/tmp/go"
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run) || true
wait "$running"
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
wc -l < "$STORY/tmp/began"
--- stdout
1
--- tree requests processed
processed/a-2.yml
processed/a.yml
requests/.gitkeep
--- content logs/a/status.yml outcome
outcome: succeeded
--- content logs/a-2/status.yml outcome reason
outcome: rejected
reason: "duplicate_id: the id 00000000-0000-4000-8000-00000000000a belongs to another request"
