Words handed in on the host: one request is cancelled while it waits, another is kept back by a pause and let go again.
--- host
write: {once: [[STORY]/tmp/witness], again-b: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
again-b: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
--- file requests/a.yml
kind: once
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run || true
git pull -q
dispatch pause --kind again-b -m 'release freeze' || true
mkdir -p requests; printf 'kind: again-b\n' > requests/b.yml
merge 'held back'
dispatch run || true
dispatch cancel a -m 'not wanted' || true
dispatch resume --kind again-b || true
dispatch run
