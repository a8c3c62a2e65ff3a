A server that takes nothing for a while.
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
printf '#!/bin/sh\necho "main is protected by policy" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run || true
rm "$STORY/origin.git/hooks/pre-receive"
dispatch run
