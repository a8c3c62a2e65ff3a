A dispatcher that is killed when the remote has its claim and it does not know: others leave the request alone, and after a restart it goes on with that very claim.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
printf '#!/bin/sh\ngrep -q refs/dispatch/claims/ || exit 0\nkill -9 "$(cat %s/tmp/pid)"\n' "$STORY" > "$STORY/origin.git/hooks/post-receive"
chmod 755 "$STORY/origin.git/hooks/post-receive"
sh -c 'echo $$ > "$STORY/tmp/pid"; exec dispatch run' || true
rm "$STORY/origin.git/hooks/post-receive"
origin log -1 --format=%s $(origin for-each-ref --format='%(objectname)' refs/dispatch/claims) | tee "$STORY/tmp/claim"
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch run 2>&1
DISPATCH_HOST="$STORY/second.yaml" dispatch list
DISPATCH_HOST="$STORY/second.yaml" dispatch why a
--- stdout has
web-1 has claimed requests/a.yml
nothing new; 1 waits for other nodes
held
claimed by node web-1 since
wait; where that node is gone for good
--- tree requests
requests/a.yml
--- run
dispatch run 2>&1
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
1 succeeded; 1 published
--- stdout lacks
refs/dispatch
--- content logs/a/status.yml outcome host
outcome: succeeded
host: web-1
