A record of another dispatcher on main holds at-most-once work with 75 until a person adopts: two hosts on one repository are never silent.
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
--- run 75
git clone -q "$STORY/origin.git" "$STORY/second"
cd "$STORY/second"
dispatch run
--- stderr has
dispatch adopt
--- tree requests
requests/b.yml
--- run
cd "$STORY/second"
dispatch adopt
dispatch run
--- content logs/b/status.yml outcome
outcome: succeeded
--- tree requests
--- again off
