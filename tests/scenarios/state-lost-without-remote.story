Without a remote it is the same: the branch remembers that somebody recorded there, and a lost state folder starts nothing again.
--- remote none
--- host
levels: {none: [once]}
--- file handlers/index.yml
plain: handlers/plain.sh
once: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/first.yml
kind: plain
--- run
dispatch run
mkdir -p requests
printf "kind: once\nspec:\n  file: $STORY/tmp/began\n" > requests/once.yml
merge once
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
dispatch run || echo "first $?"
dispatch adopt --json | grep -E '"(doubt|path|not_started)"'
dispatch run
wc -l < "$STORY/tmp/began"
--- stdout
first 75
  "not_started": false,
      "path": "requests/once.yml",
      "doubt": "state_lost"
1
--- content logs/once/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- tree requests
