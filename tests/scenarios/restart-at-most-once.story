A dispatcher that is killed while a handler runs: its processes end with it, the next pass records `indeterminate` and starts nothing again.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
echo said before the end
exec sleep 600
--- file requests/a.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
wc -l < "$STORY/tmp/began"
origin show HEAD:logs/a/status.yml > "$STORY/status"
# Nobody saw its end, and what was known before the start stands there.
grep -c finished_at "$STORY/status"
grep -A2 '^sandbox:' "$STORY/status" | grep -o -e 'level: none' -e 'layers:'
grep -c -e ^duration_ms -e ^output "$STORY/status" || echo not measured
grep -q ^run_as "$STORY/status" || test "$(id -u)" != 0
--- stdout
1
1
level: none
layers:
0
not measured
--- tree requests processed
processed/a.yml
--- content logs/a/status.yml status outcome
status: error
outcome: indeterminate
--- content has logs/a/status.yml
crash: the dispatcher was ended while it ran
--- history
executor: [UUID] rc=1
start
