A state folder that is lost while a handler runs: what may have been started is not started again, what may be repeated is, and what is merged afterwards runs as ever. Even where a new host file would refuse it, nothing says that it was not run.
--- host
levels: {none: [once, often]}
--- file handlers/index.yml
plain: handlers/plain.sh
once: {run: handlers/hold.sh, sandbox: {level: none}}
often: {run: handlers/hold.sh, sandbox: {level: none}, delivery: at-least-once, resource: other}
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")
echo "$DISPATCH_KIND" >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/first.yml
kind: plain
--- run
touch "$STORY/tmp/once" && chmod 666 "$STORY/tmp/once"
touch "$STORY/tmp/often" && chmod 666 "$STORY/tmp/often"
dispatch run
mkdir -p requests
printf "kind: once\nspec:\n  file: $STORY/tmp/once\n" > requests/once.yml
printf "kind: often\nspec:\n  file: $STORY/tmp/often\n" > requests/often.yml
merge both
dispatch run --jobs 2 & running=$!
until [ -s "$STORY/tmp/once" ] && [ -s "$STORY/tmp/often" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
--- run 75
dispatch run
--- stderr has
dispatch adopt
--- tree requests
requests/once.yml
--- run
printf 'node: story\n' > "$STORY/host.yaml"
dispatch run || echo "without its level $?"
dispatch adopt
git pull -q origin main
mkdir -p requests
printf 'kind: plain\n# later\n' > requests/later.yml
merge later
dispatch run
wc -l < "$STORY/tmp/once"
--- stdout has
without its level 75
requests/once.yml  once
1
--- content logs/once/status.yml status outcome kind reason attempts
status: error
outcome: indeterminate
kind: once
reason: state_lost
--- content logs/often/status.yml outcome
outcome: succeeded
--- content logs/later/status.yml outcome
outcome: succeeded
--- tree requests
