What a power cut left: the journal knows what was started, neither the clone nor our own copy has it and the request's copy is gone. The faces still name its kind, and say before the next pass whether it will run again.
--- host
levels: {none: [once, often]}
--- file handlers/index.yml
once: {run: handlers/hold.sh, sandbox: {level: none}}
often: {run: handlers/hold.sh, sandbox: {level: none}, delivery: at-least-once}
quick: handlers/quick.sh
--- file handlers/quick.sh
#!/bin/sh
--- file requests/first.yml
kind: quick
--- file handlers/hold.sh
#!/bin/sh
echo began > "$(grep -o '/[^ ]*/began-.$' "$1")"
exec sleep 600
--- run
# The first request on a new remote goes alone.
dispatch run
old=$(git rev-parse origin/main)
mkdir -p requests
printf 'kind: once\nspec:\n  file: %s/tmp/began-a\n' "$STORY" > requests/a.yml
printf 'kind: often\nspec:\n  file: %s/tmp/began-b\n' "$STORY" > requests/b.yml
merge 'two requests'
dispatch run --jobs 2 & running=$!
until [ -s "$STORY/tmp/began-a" ] && [ -s "$STORY/tmp/began-b" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch why a
dispatch why b
dispatch | tail -n 4
git update-ref refs/remotes/origin/main "$old"
git --git-dir .git/dispatch/repo.git update-ref refs/dispatch-fetch/heads/main "$old"
rm -f .git/dispatch/spool/*/request
dispatch list
dispatch why a
--- stdout
a is interrupted: it was started and its dispatcher is gone: the next pass settles it

next: `dispatch run` (or the start of its `watch`) settles it: its kind is at-most-once, so it is not started again, and ends `indeterminate`
b is interrupted: it was started and its dispatcher is gone: the next pass settles it

next: `dispatch run` (or the start of its `watch`) settles it: its kind is at-least-once, so it is started again while it has attempts left
next:
  dispatch run
  dispatch list
  dispatch kinds
ID        NAME   KIND   STATE        TIME  REASON
[SHORT]  a      once   interrupted  -     it was started and its dispatcher is gone: the next pass settles it
[SHORT]  b      often  interrupted  -     it was started and its dispatcher is gone: the next pass settles it
[SHORT]  first  quick  succeeded    [DURATION]
a is interrupted: it was started and its dispatcher is gone: the next pass settles it

next: `dispatch run` (or the start of its `watch`) settles it: its kind is at-most-once, so it is not started again, and ends `indeterminate`
--- again off
