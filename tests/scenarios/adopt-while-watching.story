`adopt --dry-run` looks beside a dispatcher that waits for it, and changes nothing; `adopt` itself needs that one stopped.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
--- run
dispatch run
mkdir -p requests
printf 'kind: once\n# second\n' > requests/b.yml
merge second
rm -rf .git/dispatch
dispatch watch --interval 1s 2> "$STORY/told" & watching=$!
until grep -q 'b.yml is held' "$STORY/told"; do kill -0 "$watching"; sleep 0.02; done
dispatch adopt --dry-run
dispatch adopt --dry-run --not-started | grep would
code=0; dispatch adopt || code=$?
echo "adopt $code"
kill "$watching"
wait "$watching"
dispatch adopt | grep 'next pass'
dispatch adopt --dry-run --not-started | grep would
dispatch adopt --not-started | grep run,
dispatch adopt
dispatch run
--- stdout has
would adopt the records of state
these at-most-once requests may have been started and would end `indeterminate`:
requests/b.yml  once
would adopt the records of state
these requests would run
adopt 75
the next pass ends them `indeterminate`
these requests would run
these requests run
there was nothing to adopt
--- content logs/b/status.yml outcome
outcome: succeeded
