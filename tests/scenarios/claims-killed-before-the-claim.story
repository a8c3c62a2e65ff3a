A dispatcher that is killed when its claim is journalled and before the remote has it: nothing was spawned, and the next pass claims it anew.
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
printf '#!/bin/sh\ngrep -q refs/dispatch/claims/ || exit 0\nkill -9 "$(cat %s/tmp/pid)"\nexit 1\n' "$STORY" > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
sh -c 'echo $$ > "$STORY/tmp/pid"; exec dispatch run' || true
rm "$STORY/origin.git/hooks/pre-receive"
dispatch list
--- stdout has
pending
--- run
dispatch run 2>&1
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
1 succeeded; 1 published
--- stdout lacks
refs/dispatch
--- content logs/a/status.yml outcome attempts
outcome: succeeded
attempts:
- number: 1
  started_at: "[TIME]"
  finished_at: "[TIME]"
  exit_code: 0
