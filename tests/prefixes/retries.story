Attempts that are repeated, until one succeeds and until there are no more.
--- host
write: {again-flaky: [[STORY]/tmp/witness], again-never: [[STORY]/tmp/witness]}
--- file handlers/index.yml
again-flaky: {run: handlers/again-flaky.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, retry: {attempts: 6, backoff: 10ms, max_backoff: 20ms}}
again-never: {run: handlers/again-never.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, retry: {attempts: 2, backoff: 10ms, max_backoff: 20ms}}
--- file handlers/again-flaky.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
[ "$DISPATCH_ATTEMPT" -ge 3 ] || exit 75
--- file handlers/again-never.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
exit 75
--- file requests/a.yml
kind: again-flaky
--- file requests/b.yml
kind: again-never
--- run
dispatch run --jobs 1
