While a request runs, `list` shows since when, `why` what stands before the next one, and `logs -f` what it prints; in another clone `logs -f` waits for the record.
--- host
levels: {none: [hold]}
jobs: 1
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
quick: handlers/quick.sh
--- file handlers/quick.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
echo began
until [ -e "$(grep -o '/[^ ]*/go-.' "$1")" ]; do sleep 0.02; done
echo ended
--- file requests/0.yml
kind: quick
--- run
# The first request on a new remote goes alone.
dispatch run
mkdir -p requests
for name in a b c; do printf 'kind: hold\nspec: {file: %s/tmp/go-%s}\n' "$STORY" $name > requests/$name.yml; done
merge three
git clone -q "$STORY/origin.git" "$STORY/other"
dispatch run 2> /dev/null & running=$!
until dispatch list 2> /dev/null | grep -q 'a .*running'; do kill -0 "$running"; sleep 0.05; done
dispatch list --only running
dispatch why a
# A pass that is not short says where it stands before it is over.
until grep -q '"queued": \[$' .git/dispatch/status.json; do kill -0 "$running"; sleep 0.05; done
dispatch why b
dispatch why c
dispatch why c --json | grep '"before"'
dispatch logs -f a > "$STORY/tmp/here" & here=$!
(cd "$STORY/other" && exec dispatch logs -f a > "$STORY/tmp/there") & there=$!
until grep -q began "$STORY/tmp/here"; do kill -0 "$here"; sleep 0.05; done
touch "$STORY/tmp/go-a" "$STORY/tmp/go-b" "$STORY/tmp/go-c"
wait "$here"
wait "$running"
wait "$there"
echo here; cat "$STORY/tmp/here"
echo there; cat "$STORY/tmp/there"
--- stdout has
running
a is running: it runs now
stands before it on the resource `hold`
c is pending: 
(2 before it in all)
"before": 2,
here
began
ended
there
began
ended
--- stderr has
its output comes with the record
