In a clone where nothing is dispatched `wait` reads main by itself, into a copy of its own: neither the work tree nor the branches of the clone move. A whole id may be waited for before its request is merged.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- run
git clone -q "$STORY/origin.git" "$STORY/other"
cd "$STORY/other"
git rev-parse HEAD origin/main > "$STORY/tmp/before"
dispatch wait 00000000-0000-4000-8000-00000000000a --interval 100ms --timeout 60s & waiting=$!
cd "$STORY/clone"
printf 'kind: greet\nid: 00000000-0000-4000-8000-00000000000a\n' > requests.yml
mkdir requests && mv requests.yml requests/a.yml
merge 'a request'
dispatch run
wait $waiting
cd "$STORY/other"
git rev-parse HEAD origin/main | diff - "$STORY/tmp/before" && git status --short && echo unmoved
dispatch status a | head -n 1
dispatch logs a
--- stdout has
a succeeded in
unmoved
succeeded
hello
--- run 1
# What is taken out of the inbox before it is started ends nowhere.
mkdir -p requests
printf 'kind: greet\nid: 00000000-0000-4000-8000-00000000000b\nnot_before: 2999-01-01T00:00:00Z\n' > requests/b.yml
merge 'another'
cd "$STORY/other"
dispatch wait 00000000-0000-4000-8000-00000000000b --timeout 100ms || true
dispatch -v wait b --interval 100ms --timeout 60s --json > "$STORY/tmp/out" 2> "$STORY/tmp/err" & waiting=$!
until grep -q 'b: pending' "$STORY/tmp/err"; do kill -0 $waiting; sleep 0.02; done
cd "$STORY/clone"
git rm -q requests/b.yml && merge 'not any more'
code=0; wait $waiting || code=$?
grep -o '"state": "[a-z]*"' "$STORY/tmp/out"
exit $code
--- stdout has
withdrawn
--- run 124
# What cannot be read now is tried again.
cd "$STORY/other"
git remote set-url origin ../nowhere.git
dispatch wait 00000000-0000-4000-8000-00000000000c --interval 100ms --timeout 1s
--- stderr has
main cannot be read, trying again
is unknown still, and goes on
