What was started is edited on main, and another one deleted, while nobody looks.
--- host
write: {once: [[STORY]/tmp/witness], again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
cat "$1"
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
cat "$1"
--- file requests/a.yml
kind: once
--- file requests/b.yml
kind: again
--- file requests/c.yml
kind: again
--- run
dispatch run --jobs 2 || true
git pull -q
for name in a b; do [ ! -e requests/$name.yml ] || echo '# edited' >> requests/$name.yml; done
rm -f requests/c.yml
merge 'edits'
dispatch run
