Nothing of the dispatcher's environment reaches a handler but PATH, HOME, LANG and TZ, and what the contract adds.
--- file handlers/index.yml
env: handlers/env.sh
--- file handlers/env.sh
#!/bin/sh
tr '\0' '\n' < /proc/$$/environ | cut -d= -f1 | grep -v '^DISPATCH_' | sort
--- file requests/a.yml
kind: env
--- run
HIDDEN_TOKEN=abc dispatch run
--- content logs/a/handler.log
HOME
LANG
PATH
TZ
