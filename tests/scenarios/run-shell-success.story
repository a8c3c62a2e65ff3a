A merged request is carried out once and its record comes back to main in one commit; the clone's work tree follows.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo "hello from $DISPATCH_KIND"
echo "attempt $DISPATCH_ATTEMPT" >&2
--- file requests/.gitkeep
--- file requests/a.yml
kind: greet
spec: {who: world}
--- run
dispatch run
test ! -e requests/a.yml
test -e processed/a.yml
git diff --quiet HEAD
--- tree requests processed logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
processed/a.yml
requests/.gitkeep
--- content logs/a/status.yml status outcome kind name exit_code
status: success
outcome: succeeded
kind: greet
name: a
exit_code: 0
--- content has logs/a/handler.log
hello from greet
--- content has logs/a/handler.log
attempt 1
--- content processed/a.yml
kind: greet
spec: {who: world}
--- history
executor: [UUID] rc=0
start
