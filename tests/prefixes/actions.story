Actions after a success: all of them, and up to one that fails.
--- host
actions:
  once-first: {run: [sh, -c, 'echo begin once-first $DISPATCH_ID >> [STORY]/tmp/witness; echo first'], kinds: [once]}
  once-last: {run: [sh, -c, 'echo begin once-last $DISPATCH_ID >> [STORY]/tmp/witness; echo last'], kinds: [once]}
  once-bad: {run: [sh, -c, 'echo begin once-bad $DISPATCH_ID >> [STORY]/tmp/witness; exit 3'], kinds: [once-then-bad]}
write: {once: [[STORY]/tmp/witness], once-then-bad: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}, then: [once-first, once-last]}
once-then-bad: {run: handlers/once-then-bad.sh, sandbox: {write: [[STORY]/tmp/witness]}, then: [once-bad]}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo deployed
--- file handlers/once-then-bad.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo deployed
--- file requests/a.yml
kind: once
--- file requests/b.yml
kind: once-then-bad
--- run
dispatch run --jobs 1
