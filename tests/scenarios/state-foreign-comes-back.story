A dispatcher that was adopted as gone and records again is not gone: at-most-once work waits once more.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
--- run
dispatch run
git clone -q "$STORY/origin.git" "$STORY/second"
cd "$STORY/second"
dispatch adopt
dispatch run
--- run
git pull -q origin main
mkdir -p requests
printf 'kind: once\n# second\n' > requests/b.yml
merge second
dispatch run
--- content logs/b/status.yml outcome
outcome: succeeded
--- run 75
git pull -q origin main
mkdir -p requests
printf 'kind: once\n# third\n' > requests/c.yml
merge third
cd "$STORY/second"
dispatch run
--- stderr has
another dispatcher (state
--- tree requests
requests/c.yml
--- again off
