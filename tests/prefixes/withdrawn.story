A request that is held, taken back, and comes again, with another one beside it.
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
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run || true
git rm -q requests/a.yml; mkdir -p requests; printf 'kind: once\n' > requests/b.yml
merge 'taken back, and another one'
dispatch run || true
git pull -q
mkdir -p requests; printf 'kind: once\nnot_before: 2999-01-01T00:00:00Z\n' > requests/a.yml
merge 'here again'
dispatch run || true
git pull -q
printf 'kind: once\n' > requests/a.yml
merge 'now it may run'
dispatch run
