A state folder put back from an older copy: main has records of ours that it knows nothing of. At-most-once work waits, `adopt` lists what may have been started since, and none of that starts again.
--- host
levels: {none: [once]}
--- file handlers/index.yml
plain: handlers/plain.sh
often: {run: handlers/plain.sh, delivery: at-least-once}
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
cp -a .git/dispatch "$STORY/copy"
mkdir -p requests
printf 'kind: plain\n# since\n' > requests/since.yml
merge since
dispatch run
git pull -q origin main
mkdir -p requests
printf "kind: once\nspec:\n  file: $STORY/tmp/began\n" > requests/once.yml
merge once
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
mv "$STORY/copy" .git/dispatch
printf 'kind: often\n' > requests/often.yml
merge often
--- run 75
dispatch run
--- stderr has
main has records of this state folder that it knows nothing of
dispatch adopt
--- tree requests
requests/once.yml
--- run
dispatch run || echo "again $?"
dispatch why once
dispatch adopt
dispatch run
wc -l < "$STORY/tmp/began"
origin log --format=%B | grep -c '^Dispatch-Id'
--- stdout has
again 75
once is held: the state folder is older than main
dispatch adopt
adopted records of this state folder that it knows nothing of
requests/once.yml  once
1
4
--- content logs/once/status.yml outcome reason attempts
outcome: indeterminate
reason: state_restored
--- content logs/often/status.yml outcome
outcome: succeeded
--- tree requests
