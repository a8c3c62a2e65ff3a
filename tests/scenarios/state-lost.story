A lost state folder is not silent either: at-most-once work waits for `adopt`, what is on main is not run again, and `--not-started` is a person's word that nothing of the inbox was.
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
dispatch adopt --not-started
dispatch run
origin log --format=%B | grep -c '^Dispatch-Id'
--- stdout has
these requests run, on your word that none of them was started:
requests/b.yml  once
2
--- tree requests processed
processed/a.yml
processed/b.yml
--- content logs/b/status.yml outcome
outcome: succeeded
