On the machine itself `wait` sees what the dispatcher writes down, and fetches nothing: it ends although the remote could not be read by anybody else.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo begun
until [ -e "$(cat where)" ]; do sleep 0.02; done
--- host
levels: {none: [greet]}
--- run
echo "$STORY/tmp/go" > where
printf 'greet: {run: handlers/greet.sh, sandbox: {level: none}}\n' > handlers/index.yml
mkdir requests && printf 'kind: greet\n' > requests/a.yml
merge 'a request'
dispatch watch --interval 1h 2> "$STORY/tmp/watch" & watch=$!
until dispatch list 2>/dev/null | grep -q running; do kill -0 $watch; sleep 0.05; done
dispatch wait a --timeout 60s & waiting=$!
dispatch list --only running
touch "$STORY/tmp/go"
wait $waiting
kill -TERM $watch
wait $watch
--- stdout has
running
a succeeded in
