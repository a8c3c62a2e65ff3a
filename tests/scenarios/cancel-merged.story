From any clone a cancellation is a request on main, by the verb or by hand; it is handled before all others, also those that came with it.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: greet
--- file requests/b.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000b
--- file requests/z-cancel.yml
kind: dispatch.cancel
spec:
  id: 00000000-0000-4000-8000-00000000000b
  reason: came too soon
--- run
git clone -q "$STORY/origin.git" "$STORY/other"
cd "$STORY/other"
git config user.name 'Somebody Else' && git config user.email else@example.com
dispatch cancel a -m 'not now' --json | grep -e '"by"' -e '"kind"' -e '"name"'
cd "$STORY/clone"
dispatch run
dispatch list --json | grep -c '"state": "cancelled"'
--- stdout
  "kind": "dispatch.cancel",
  "by": "main",
  "name": "a",
2
--- content logs/a/status.yml outcome reason
outcome: cancelled
reason: "cancelled: not now"
--- content logs/b/status.yml outcome reason
outcome: cancelled
reason: "cancelled: came too soon"
--- content has logs/z-cancel/status.yml
outcome: succeeded
was cancelled before it was started
--- tree requests
--- history
executor: 4 requests
dispatch: cancel [SHORT]
start
