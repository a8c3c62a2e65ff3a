A lost state folder is not silent either: at-most-once work waits for `adopt`, and what is on main is not run again.
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
--- run 75
dispatch run
--- stderr has
dispatch adopt
--- run
dispatch adopt
dispatch run
origin log --format=%B | grep -c '^Dispatch-Id'
--- stdout has
2
--- tree requests processed
processed/a.yml
processed/b.yml
