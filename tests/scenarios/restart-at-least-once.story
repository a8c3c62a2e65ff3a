A dispatcher that is killed while an at-least-once handler runs: the next pass starts it again, on the commit of the first start, and both starts are on the record.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, delivery: at-least-once, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo "began $DISPATCH_ATTEMPT at $DISPATCH_COMMIT" >> "$(grep -o '/[^ ]*/began$' "$1")"
[ "$DISPATCH_ATTEMPT" -gt 1 ] || exec sleep 600
--- file requests/a.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
# Another handler on main by now: what was started is finished with what it was started with.
printf '#!/bin/sh\nexit 9\n' > handlers/hold.sh
merge 'another handler'
dispatch run
cut -d' ' -f1,2 "$STORY/tmp/began"
cut -d' ' -f4 "$STORY/tmp/began" | sort -u | wc -l
--- stdout
began 1
began 2
1
--- content logs/a/status.yml outcome
outcome: succeeded
--- content has logs/a/status.yml
crash: the dispatcher was ended while it ran
--- tree requests processed
processed/a.yml
