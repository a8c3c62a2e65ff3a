Actions of a kind that may be started again.
--- host
actions:
  again-first: {run: [sh, -c, 'echo begin again-first $DISPATCH_ID >> [STORY]/tmp/witness; echo first'], kinds: [again]}
  again-last: {run: [sh, -c, 'echo begin again-last $DISPATCH_ID >> [STORY]/tmp/witness; echo last'], kinds: [again]}
write: {again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, then: [again-first, again-last]}
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo deployed
--- file requests/a.yml
kind: again
--- run
dispatch run --jobs 1
