With `claims: remote` a lost state folder leaves its claims behind: exactly what is claimed may have been started. `adopt` takes name and claims over; at-most-once it ends `indeterminate`, at-least-once it runs again, and what nobody had claimed runs anyway.
--- host
node: web-1
claims: remote
levels: {none: [once, often]}
--- file handlers/index.yml
plain: handlers/plain.sh
once: {run: handlers/hold.sh, sandbox: {level: none}}
often: {run: handlers/hold.sh, sandbox: {level: none}, delivery: at-least-once}
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")
echo "$DISPATCH_KIND" >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/once.yml
kind: once
spec:
  file: [STORY]/tmp/once
--- file requests/often.yml
kind: often
spec:
  file: [STORY]/tmp/often
--- file requests/first.yml
kind: plain
--- run
touch "$STORY/tmp/once" && chmod 666 "$STORY/tmp/once"
touch "$STORY/tmp/often" && chmod 666 "$STORY/tmp/often"
dispatch run --jobs 2 & running=$!
main() { git ls-remote -q origin refs/heads/main | cut -f1; }
until [ -s "$STORY/tmp/once" ] && [ -s "$STORY/tmp/often" ] && [ "$(git rev-parse main)" = "$(main)" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
rm -rf .git/dispatch
printf 'kind: plain\n# nobody has claimed it\n' > requests/free.yml
merge free
--- run 75
dispatch run --jobs 2
--- stderr has
the node name `web-1` is registered by another state folder
dispatch adopt
--- run
dispatch adopt --dry-run
dispatch adopt
dispatch run --jobs 2
wc -l < "$STORY/tmp/once"
wc -l < "$STORY/tmp/often"
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks refs/dispatch/nodes refs/dispatch/probe
--- stdout has
would adopt the node name `web-1`, which was state
would adopt 2 claim(s) of node web-1 that its state folder knows nothing of
these at-most-once requests may have been started and would end `indeterminate`:
requests/once.yml  once
adopted the node name `web-1`, which was state
requests/once.yml  once
1
2
refs/dispatch/nodes/web-1
--- content logs/once/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- content logs/often/status.yml outcome
outcome: succeeded
--- content logs/free/status.yml outcome
outcome: succeeded
--- tree requests
