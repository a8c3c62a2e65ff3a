A secret too short to be masked is handed out, and the record warns of it by name.
--- host
secrets: {PIN: {file: [STORY]/tmp/pin, kinds: [open]}}
--- file handlers/index.yml
open: {run: handlers/open.sh, secrets: [PIN]}
--- file handlers/open.sh
#!/bin/sh
wc -c < "$DISPATCH_SECRETS/PIN"
--- file requests/a.yml
kind: open
--- run
printf 1234567 > "$STORY/tmp/pin" && chmod 600 "$STORY/tmp/pin"
dispatch run
git pull -q
cat logs/a/handler.log
--- stdout
7
--- content has logs/a/dispatch.log
the secret PIN has fewer than 8 characters and was not masked
