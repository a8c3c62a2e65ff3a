The restart is ended as well, after an action ran that may start once and nobody saw its end.
--- host
actions: {once-act: {run: [sh, -c, 'echo begin once-act $DISPATCH_ID >> [STORY]/tmp/witness'], kinds: [once]}}
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}, then: [once-act]}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- run
ended before-append:5 run
dispatch run
