The restart is ended as well, after a handler ran twice that may start again and nobody saw its end.
--- host
write: {again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once, retry: {attempts: 9, backoff: 10ms, max_backoff: 20ms}}
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: again
--- run
ended before-append:3 run
ended before-append:3 run
dispatch run
