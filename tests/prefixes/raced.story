Somebody else is quicker to main than our push.
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
git clone -q "$STORY/origin.git" "$STORY/rival"
git -C "$STORY/rival" commit -q --allow-empty -m rival
git -C "$STORY/rival" push -q origin HEAD:refs/heads/rival
cat > "$STORY/origin.git/hooks/pre-receive" <<END
#!/bin/sh
if mkdir "$STORY/raced" 2>/dev/null; then
    env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main refs/heads/rival
fi
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run
