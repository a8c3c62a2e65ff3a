The copy was made while a handler ran, and the record of that run came to main later: it is settled by what main says, never run again, and there is no second record.
--- host
levels: {none: [once]}
--- file handlers/index.yml
once: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp$' "$1")
echo began >> "$folder/began"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: once
spec:
  folder: [STORY]/tmp
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
cp -a .git/dispatch "$STORY/copy"
touch "$STORY/tmp/go"
wait "$running"
rm -rf .git/dispatch
mv "$STORY/copy" .git/dispatch
--- run 75
dispatch run
--- stderr has
main has records of this state folder that it knows nothing of
requests/a.yml is succeeded on main already
--- run
dispatch run || echo "until somebody has looked $?"
dispatch adopt
dispatch run
wc -l < "$STORY/tmp/began"
dispatch status a --json | grep '"state"'
--- stdout has
until somebody has looked 75
adopted records of this state folder
1
"state": "succeeded"
--- history
executor: [UUID] rc=0
start
--- tree logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
