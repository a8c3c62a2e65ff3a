Somebody writes where the record was to stand, and other files beside it.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- run
dispatch run || true
git pull -q
mkdir -p logs/a processed; [ -e logs/a/status.yml ] || echo mine > logs/a/status.yml
echo other > other.txt
merge 'in the way'
dispatch run
