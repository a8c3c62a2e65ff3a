Publishing something else does not make a stranger's records forgotten: at-most-once work waits until `adopt`, pass after pass.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch run
git commit -q --allow-empty -m 'executor: elsewhere

Dispatch-State: 11111111-1111-4111-8111-111111111111'
git push -q origin main
mkdir -p requests
printf 'kind: greet\n' > requests/b.yml
printf 'kind: unknown\n' > requests/bad.yml
git add -A && git commit -q -m 'two requests' && git push -q origin main
dispatch run || echo "first pass $?"
dispatch run || echo "second pass $?"
dispatch adopt --not-started >/dev/null
dispatch run
--- stdout
first pass 75
second pass 75
--- content logs/b/status.yml outcome
outcome: succeeded
