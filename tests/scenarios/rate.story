The host file holds a runaway loop: over `rate` requests wait, with the line and the time, also across restarts; other kinds go on, and a rejection costs nothing.
--- host
rate: {greet: 2/d, "*": 100/h}
--- file handlers/index.yml
greet: handlers/greet.sh
plain: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- file requests/b.yml
kind: unheard-of
--- file requests/c.yml
kind: greet
--- file requests/d.yml
kind: greet
--- file requests/e.yml
kind: plain
--- run
dispatch run --jobs 4
dispatch why d
grep -o '"by": "rate"' .git/dispatch/status.json
dispatch run
--- stdout has
d is held: `rate` in [STORY]/host.yaml allows greet: 2/d: used up until [TIME]
next: wait: it starts by itself then
"by": "rate"
--- stderr has
held
--- tree requests
requests/d.yml
--- run
printf 'node: story\nrate: {greet: 3/d}\n' > "$STORY/host.yaml"
dispatch run
--- tree requests
