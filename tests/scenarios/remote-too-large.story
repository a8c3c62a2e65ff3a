A record that the server finds too large is published with its status alone at once: no later try makes it smaller.
--- file handlers/index.yml
say: handlers/say.sh
--- file handlers/say.sh
#!/bin/sh
head -c 300000 /dev/urandom | base64
--- file requests/a.yml
kind: say
--- run
git -C "$STORY/origin.git" config receive.maxInputSize 20000
dispatch run
--- content has logs/a/status.yml
outcome: succeeded
withheld:
--- tree requests processed logs
logs/a/status.yml
processed/a.yml
