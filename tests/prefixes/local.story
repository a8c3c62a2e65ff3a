Without a remote, and with a request that was never committed.
--- remote none
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
--- file codex.repo.yaml
codex: {enforce_merge_before_execution: false}
--- file requests/a.yml
kind: once
--- file requests/b.yml
kind: again
--- run
printf 'kind: once\nspec: {quick: true}\n' > requests/now.yml
dispatch run --jobs 1
