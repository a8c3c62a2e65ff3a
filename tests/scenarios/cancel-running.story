What runs is told to end at once by a word on its host, also while the remote is away: TERM, and KILL after the grace. The record follows when the remote is back, and nothing is tried again.
--- host
levels: {none: [hold, deaf]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
plain: handlers/plain.sh
deaf: {run: handlers/deaf.sh, sandbox: {level: none}, grace: 100ms, delivery: at-least-once}
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/hold$' "$1")
trap 'echo "told to end" ; exit 3' TERM
echo began >> "$file"
while :; do sleep 0.02; done
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/deaf.sh
#!/bin/sh
trap '' TERM
echo began >> "$(grep -o '/[^ ]*/deaf$' "$1")"
while :; do sleep 0.02; done
--- file requests/first.yml
kind: plain
--- run
dispatch run
mkdir -p requests
printf 'kind: hold\nspec:\n  file: %s/tmp/hold\n' "$STORY" > requests/a.yml
printf 'kind: deaf\nspec:\n  file: %s/tmp/deaf\n' "$STORY" > requests/b.yml
merge two
for file in hold deaf; do touch "$STORY/tmp/$file"; chmod 666 "$STORY/tmp/$file"; done
dispatch watch --interval 100ms --jobs 2 & watching=$!
until [ -s "$STORY/tmp/hold" ] && [ -s "$STORY/tmp/deaf" ]; do kill -0 "$watching"; sleep 0.02; done
mv "$STORY/origin.git" "$STORY/away.git"
dispatch cancel a -m 'not wanted' | sed "s/process $watching/process PID/"
dispatch cancel b --json | grep -c '"by": "state_folder"'
until [ "$(dispatch list --pending | grep -c publishing)" -ge 2 ]; do kill -0 "$watching"; sleep 0.02; done
mv "$STORY/away.git" "$STORY/origin.git"
dispatch poke > /dev/null
until [ "$(origin ls-tree -r --name-only HEAD logs | grep -c 'cancel-.*/status.yml')" = 2 ]; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
wc -l < "$STORY/tmp/deaf"
dispatch why a
--- stdout has
`a` (running) shall end: the dispatcher (process PID) is told, and obeys at once
1
1
a is cancelled: cancelled: not wanted
told to end
--- content logs/a/status.yml outcome exit_code reason
outcome: cancelled
reason: "cancelled: not wanted"
--- content logs/b/status.yml outcome signal reason
outcome: cancelled
signal: 9
reason: cancelled
--- run
origin ls-tree -r --name-only HEAD logs | grep 'cancel-.*/status.yml' | while read -r place; do origin show "HEAD:$place" | grep -e '^outcome' -e 'done:' -e '^  outcome'; done
--- stdout
outcome: succeeded
  done: stopped
  outcome: cancelled
outcome: succeeded
  done: stopped
  outcome: cancelled
--- tree requests
