A second dispatcher on the same state ends with 75 and touches nothing; the first goes on.
--- host
levels: {none: [meet]}
--- file handlers/index.yml
meet: {run: handlers/meet.sh, sandbox: {level: none}, timeout: 60s}
--- file handlers/meet.sh
#!/bin/sh
place=$(grep -o '/[^ ]*/place$' "$1")
touch "$place/here"
while [ ! -e "$place/go" ]; do sleep 0.05; done
--- file requests/a.yml
kind: meet
spec:
  place: [STORY]/place
--- run
chmod 711 "$STORY"; mkdir -m 777 "$STORY/place"
dispatch run >"$STORY/first" 2>&1 &
first=$!
tries=0
while [ ! -e "$STORY/place/here" ] && [ $tries -lt 600 ]; do tries=$((tries + 1)); sleep 0.05; done
code=0; dispatch run || code=$?
touch "$STORY/place/go"
wait $first || cat "$STORY/first"
echo "second: $code"
--- stdout has
second: 75
--- stderr has
another dispatcher
--- content logs/a/status.yml outcome
outcome: succeeded
