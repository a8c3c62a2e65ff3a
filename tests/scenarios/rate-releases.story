What a rate holds starts by itself when the window has room: three at two a second take two rounds, without another look at main.
--- host
rate: {"*": 2/s}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- file requests/b.yml
kind: greet
--- file requests/c.yml
kind: greet
--- run
dispatch watch --interval 1h --jobs 3 2> "$STORY/tmp/said" & watching=$!
until [ "$(origin ls-tree -r --name-only HEAD logs | grep -c status.yml)" = 3 ]; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
grep -c 'is held: `rate` in .* allows "\*": 2/s' "$STORY/tmp/said"
--- stdout
1
