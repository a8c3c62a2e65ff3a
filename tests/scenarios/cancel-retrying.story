A request that waits for its next attempt is cancelled: it ends with the attempts that it had, and is not tried again. Without a remote it is the same.
--- remote none
--- file handlers/index.yml
later: {run: handlers/later.sh, delivery: at-least-once, retry: {attempts: 3, backoff: 1h, max_backoff: 1h}}
--- file handlers/later.sh
#!/bin/sh
echo tried
exit 75
--- file requests/a.yml
kind: later
--- run
dispatch watch --interval 100ms & watching=$!
until dispatch list --pending | grep -q retrying; do kill -0 "$watching"; sleep 0.02; done
dispatch cancel a > /dev/null
until git ls-tree -r --name-only HEAD logs | grep -q 'cancel-.*/status.yml'; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
git show HEAD:logs/a/status.yml | grep -c 'number:'
--- stdout
1
--- content logs/a/status.yml outcome exit_code reason
outcome: cancelled
reason: cancelled
--- content has logs/a/handler.log
tried
--- tree requests
