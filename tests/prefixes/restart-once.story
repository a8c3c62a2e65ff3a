The restart is ended as well, after a handler ran that may start once and nobody saw its end.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- run
ended before-append:3 run
dispatch run
