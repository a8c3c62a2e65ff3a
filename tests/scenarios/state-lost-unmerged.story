Where uncommitted requests count, a lost state folder puts those in doubt too that lay in the work tree before `adopt`.
--- remote none
--- host
repository: {merged_only: false}
levels: {none: [hold]}
--- file handlers/index.yml
plain: handlers/plain.sh
hold: {run: handlers/hold.sh, sandbox: {level: none}}
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
printf "kind: hold\nspec:\n  file: $STORY/tmp/began\n" > requests/loose.yml
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
dispatch run || echo "first $?"
dispatch adopt >/dev/null
printf 'kind: plain\n# later\n' > requests/later.yml
touch -d '1 hour' requests/later.yml
dispatch run
wc -l < "$STORY/tmp/began"
--- stdout
first 75
1
--- content logs/loose/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- content logs/later/status.yml outcome
outcome: succeeded
