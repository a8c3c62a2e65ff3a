A pause that is merged holds what was merged with it, on whatever host; a word by its author ends it, and the records tell both.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- file requests/z.yml
kind: dispatch.pause
spec: {kind: greet, reason: 'look first', until: 2999-01-01T00:00:00Z}
--- run
dispatch run
dispatch why a
--- stdout has
a is held: the kind `greet` is paused until 2999-01-01T00:00:00Z by Ann Author <ann@example.com>: look first
`dispatch resume --kind greet` lets it go on, or wait
--- content has logs/z/status.yml
outcome: succeeded
the kind `greet` is paused until 2999-01-01T00:00:00Z by Ann Author <ann@example.com>: look first
kind: greet
until: "2999-01-01T00:00:00.000Z"
done: paused
--- run
git clone -q "$STORY/origin.git" "$STORY/other"
cd "$STORY/other"
git config user.name 'Somebody Else' && git config user.email else@example.com
dispatch resume --kind greet
cd "$STORY/clone"
dispatch run
--- stdout has
the kind `greet` may start again: requests/resume-greet.yml asks for it on main
--- content has logs/resume-greet/status.yml
the kind `greet` may start again
done: resumed
--- tree requests
