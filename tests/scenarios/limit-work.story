The work folder has the size that the row asks for: in memory writing more fails, and on disk a job that exceeds it is ended.
--- file handlers/index.yml
small: {run: handlers/fill.sh, sandbox: {work: 1MiB}}
large: {run: handlers/fill.sh, sandbox: {memory: 60MiB, work: 31MiB}}
--- file handlers/fill.sh
#!/bin/sh
cd "$DISPATCH_WORK" || exit 9
head -c 8000000 /dev/zero > much && exit 0
rm much
echo "kept from failing" > note
exit 7
--- file requests/a.yml
kind: small
--- run
dispatch run
git pull -q
cat logs/a/handler.log
cat .git/dispatch/run/*/work/note
--- stdout has
No space left on device
kept from failing
--- content logs/a/status.yml outcome reason
outcome: failed
reason: exit 7
--- run
printf 'kind: large\n' > requests/b.yml
git add . && git commit -qm second && git push -q
cat > handlers/fill.sh <<'H'
#!/bin/sh
cd "$DISPATCH_WORK" || exit 9
n=0
while :; do head -c 2000000 /dev/zero > "f$n"; n=$((n + 1)); done
H
git add . && git commit -qm third && git push -q
dispatch run
--- content logs/b/status.yml outcome reason
outcome: failed
reason: "disk_quota: work"
