Every pass leaves metrics that Prometheus can read, and counters that go on where the last pass stopped.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch run
mkdir -p requests
printf 'kind: greet\n# second\n' > requests/b.yml
merge second
dispatch run
find .git/dispatch -name '*.prom' > "$STORY/found"
test "$(wc -l < "$STORY/found")" = 1
if command -v promtool >/dev/null; then promtool check metrics < "$(cat "$STORY/found")"; fi
grep 'greet' "$(cat "$STORY/found")" | grep succeeded
--- stdout has
 2
