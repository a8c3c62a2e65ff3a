A restart that is itself ended, and the restart of that: after a start, of either kind, and in an action.
--- host
actions:
  once-first: {run: [sh, -c, 'echo begin once-first $DISPATCH_ID >> [STORY]/tmp/witness; echo first'], kinds: [once]}
  again-first: {run: [sh, -c, 'echo begin again-first $DISPATCH_ID >> [STORY]/tmp/witness; echo first'], kinds: [again]}
write: {once: [[STORY]/tmp/witness], again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}, then: [once-first]}
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, retry: {attempts: 9, backoff: 10ms, max_backoff: 20ms}, then: [again-first]}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- file requests/b.yml
kind: again
--- run
ended after-append:2 run --jobs 1
ended after-append:6 run --jobs 1
dispatch run --jobs 1
