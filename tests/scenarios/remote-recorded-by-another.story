A request that somebody settles on main while it runs here (`resolve` on another host, after this one seemed gone): its record is there, with the request gone in the same commit, and none is written beside it.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
here=$(sed -n 's/^  here: //p' "$1")
echo began >> "$here/began"
until [ -e "$here/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: hold
id: 00000000-0000-7000-8000-000000000001
spec:
  here: [STORY]/tmp
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
mkdir -p processed logs/a
blob=$(git rev-parse HEAD:requests/a.yml)
git mv requests/a.yml processed/a.yml
cat > logs/a/status.yml <<END
v: 1
status: error
outcome: indeterminate
id: 00000000-0000-7000-8000-000000000001
name: a
host: other
dispatcher: by hand
commit: $(git rev-parse HEAD)
request_blob: $blob
END
git add -A
git commit -q -m 'executor: settled

Dispatch-Id: 00000000-0000-7000-8000-000000000001
Dispatch-Outcome: indeterminate'
git push -q origin main
touch "$STORY/tmp/go"
wait "$running"
--- stderr has
main has the record of
--- history
executor: settled
start
--- tree logs processed requests
logs/a/status.yml
processed/a.yml
--- run
dispatch run
cat "$STORY/tmp/began"
--- stdout
began
