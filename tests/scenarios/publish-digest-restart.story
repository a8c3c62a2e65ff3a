A dispatcher that is killed while a handler runs whose output must not be published: the next pass publishes none of it, also where the host file no longer grants what the kind asks for.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, publish: digest, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo customer-data
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/a.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- run
mkdir -p "$STORY/tmp"
dispatch run & running=$!
until grep -q customer-data .git/dispatch/spool/*/1/handler.log 2>/dev/null; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
echo 'levels: {none: []}' > "$DISPATCH_HOST"
dispatch run
origin grep -l customer-data HEAD -- logs processed || echo nowhere
dispatch logs a
--- stdout
nowhere
customer-data
--- content logs/a/status.yml outcome publish
outcome: indeterminate
publish: digest
--- content has logs/a/status.yml
handler_log:
bytes: 14
