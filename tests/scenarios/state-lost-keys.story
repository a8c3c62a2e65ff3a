A lost state folder forgets neither ids nor idempotency keys: main has them. What had succeeded before answers a request with the same key, and an id that is taken stays taken.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
echo really-ran
--- file requests/first.yml
kind: once
id: 0198c0de-0000-7000-8000-000000000001
idempotency_key: release-1
--- run
dispatch run
rm -rf .git/dispatch
dispatch adopt >/dev/null
git pull -q origin main 2>/dev/null || true
mkdir -p requests
printf 'kind: once\nidempotency_key: release-1\n# again\n' > requests/second.yml
printf 'kind: once\nid: 0198c0de-0000-7000-8000-000000000001\n# again\n' > requests/third.yml
merge again
dispatch run
dispatch list | grep -c once
--- stdout
3
--- content logs/second/status.yml outcome reason replay_of
outcome: succeeded
reason: replay
replay_of: [UUID]
--- content lacks logs/second/log.jsonl
really-ran
--- content logs/third/status.yml outcome
outcome: rejected
--- content has logs/third/error.log
belongs to another request
--- tree requests
