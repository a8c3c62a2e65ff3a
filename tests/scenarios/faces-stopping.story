A dispatcher that was told to stop and waits for a long job says so: it does not look like one that works, and `poke` promises no look.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo began > "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/a.yml
kind: hold
spec:
  file: [STORY]/tmp/began
--- run
dispatch watch & watching=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$watching"; sleep 0.02; done
dispatch | grep -c 'a dispatcher works here now'
kill "$watching"
until dispatch | grep -q 'was told to stop: it waits for what runs'; do kill -0 "$watching"; sleep 0.02; done
dispatch poke || echo "poke ends with $?"
kill "$watching"
wait "$watching"
dispatch | head -n 2 | tail -n 1 | cut -d ';' -f 1
dispatch why a
--- stdout has
1
poke ends with 69
no dispatcher works here now
a is killed: shutdown
see how far it came
--- again off
