A node that is gone for good has claimed requests: nobody else starts them, claims do not expire, and a person settles each. The claim goes with the record; what is to be done is done by who is left.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
plain: handlers/plain.sh
hold: {run: handlers/hold.sh, sandbox: {level: none}, resource: "{spec.file}"}
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")
echo began >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/a.yml
kind: hold
id: 0198c0de-0000-7000-8000-000000000001
spec:
  file: [STORY]/tmp/a
--- file requests/0.yml
kind: plain
--- file requests/b.yml
kind: hold
id: 0198c0de-0000-7000-8000-000000000002
spec:
  file: [STORY]/tmp/b
--- run
touch "$STORY/tmp/a" && chmod 666 "$STORY/tmp/a"
touch "$STORY/tmp/b" && chmod 666 "$STORY/tmp/b"
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
git clone -q "$STORY/origin.git" "$STORY/second"
touch "$STORY/tmp/a" "$STORY/tmp/b"
chmod 666 "$STORY/tmp/a" "$STORY/tmp/b"
dispatch run --jobs 2 & running=$!
until [ -s "$STORY/tmp/a" ] && [ -s "$STORY/tmp/b" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
cd "$STORY/second"
export DISPATCH_HOST="$STORY/second.yaml"
dispatch run
dispatch why a
# This clone has fetched neither; the dispatcher has.
git update-ref refs/remotes/origin/main "$(git commit-tree -m empty "$(git hash-object -t tree /dev/null)")"
dispatch list --pending
--- stdout has
a is held: claimed by node web-1 since
dispatch resolve
  a     hold  held
  b     hold  held
--- run
cd "$STORY/second"
export DISPATCH_HOST="$STORY/second.yaml"
dispatch resolve a --succeeded -m 'web-1 burnt down afterwards' >/dev/null
dispatch resolve b --rerun >/dev/null
dispatch run --jobs 2
cat "$STORY/tmp/a" "$STORY/tmp/b" | wc -l
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks refs/dispatch/nodes refs/dispatch/probe
--- stdout
3
refs/dispatch/nodes/web-1
refs/dispatch/nodes/web-2
--- content logs/a/status.yml outcome reason exit_code
outcome: succeeded
exit_code: 0
reason: resolved
--- content logs/b/status.yml outcome
outcome: succeeded
--- tree requests
--- run
# It is back, and its clone is behind: what ended meanwhile is not called pending, and our own copy has its record.
git cat-file -e origin/main:requests/b.yml
dispatch run 2> /dev/null
dispatch list --pending
dispatch why b
--- stdout has
no requests
b is succeeded: its handler exited 0
--- again off
