What nobody knows is to be done again: the same commit that records the word brings a new request with the same content, an id of its own and `rerun_of`; its record and `status` say what it repeats.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/began$' "$1")
echo began >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/team/a.yml
# roll it out
kind: hold
id: 0198c0de-0000-7000-8000-000000000001
idempotency_key: once-only
spec:
  file: [STORY]/tmp/began
--- run
touch "$STORY/tmp/began" && chmod 666 "$STORY/tmp/began"
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
dispatch resolve team/a --rerun >/dev/null
dispatch run
wc -l < "$STORY/tmp/began"
origin log -2 --format=%s
record=$(origin log -1 --skip=1 --format=%H)
origin show --format= --name-status "$record" | grep -v logs/
origin show "$record:requests/team/a-rerun.yml"
dispatch status team/a | grep -e resolve -e record:
dispatch status team/a-rerun --json | grep rerun_of
dispatch status team/a-rerun | grep 'rerun of'
--- stdout
2
executor: [UUID] rc=0
executor: [UUID] rc=0
R100	requests/resolve-[SHORT].yml	processed/resolve-[SHORT].yml
A	requests/team/a-rerun.yml
# roll it out
kind: hold
idempotency_key: once-only
spec:
  file: [STORY]/tmp/began
id: [UUID]
rerun_of: [UUID]
resolved: run again as [UUID] by Story Teller <story@example.com> (commit [SHORT])
record: logs/team/a/
    "rerun_of": "[UUID]"
    "rerun_of": "[UUID]"
  rerun of   [UUID]
