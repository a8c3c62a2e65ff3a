Between `adopt` and the next pass a word still settles one request alone, before the pass ends the others.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/first.yml
kind: once
--- run
dispatch run
mkdir -p requests
printf 'kind: once\nspec: {n: 1}\n' > requests/a.yml
printf 'kind: once\nspec: {n: 2}\n' > requests/b.yml
merge two
rm -rf .git/dispatch
dispatch run || echo "first $?"
dispatch adopt >/dev/null
dispatch resolve b --rerun >/dev/null
dispatch run
--- stdout
first 75
--- content logs/a/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- content logs/b/status.yml outcome reason
outcome: succeeded
--- tree requests
