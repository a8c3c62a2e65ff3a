Nothing that a handler leaves can keep its own record, or the dispatcher, from going on.
--- file handlers/index.yml
block: {run: handlers/block.sh, delivery: at-least-once, retry: {attempts: 2, backoff: 10ms}}
--- file handlers/block.sh
#!/bin/sh
cd "$2"
for name in status.yml log.jsonl dispatch.log error.log handler.log Status.YML; do
    mkdir "$name"; echo x > "$name/x"
done
echo forged > handler-1.log
echo kept > kept.txt
[ "$DISPATCH_ATTEMPT" -ge 2 ] || exit 75
--- file requests/a.yml
kind: block
--- run
dispatch run
--- content logs/a/status.yml outcome
outcome: succeeded
--- tree logs
logs/a/dispatch.log
logs/a/handler-1.log
logs/a/handler.log
logs/a/kept.txt
logs/a/log.jsonl
logs/a/status.yml
--- content lacks logs/a/handler-1.log
forged
