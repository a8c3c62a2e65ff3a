The restart is ended as well, after an action ran that may start again and nobody saw its end.
--- host
actions: {again-act: {run: [sh, -c, 'echo begin again-act $DISPATCH_ID >> [STORY]/tmp/witness'], kinds: [again]}}
write: {again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, retry: {attempts: 9, backoff: 10ms, max_backoff: 20ms}, then: [again-act]}
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: again
--- run
ended before-append:5 run
dispatch run
