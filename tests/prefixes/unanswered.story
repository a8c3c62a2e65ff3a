A server that takes a push and dies before it says so.
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
cat > "$STORY/origin.git/hooks/post-receive" <<END
#!/bin/sh
if mkdir "$STORY/cut" 2>/dev/null; then kill -9 \$PPID; fi
END
chmod 755 "$STORY/origin.git/hooks/post-receive"
dispatch run
