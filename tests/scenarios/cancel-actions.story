A request whose handler has succeeded is cancelled while an action of the host file runs: that one is left to its end, since it is the owner's, and those behind it are not run.
--- host
actions: {slow: {run: [/bin/sh, [STORY]/tmp/slow.sh], kinds: [greet]}, never: {run: [touch, [STORY]/tmp/never], kinds: [greet]}}
--- file handlers/index.yml
greet: {run: handlers/greet.sh, then: [slow, never]}
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
printf 'touch %s/tmp/began; until [ -e %s/tmp/go ]; do sleep 0.02; done\n' "$STORY" "$STORY" > "$STORY/tmp/slow.sh"
dispatch watch --interval 100ms & watching=$!
until [ -e "$STORY/tmp/began" ]; do kill -0 "$watching"; sleep 0.02; done
dispatch cancel a -m 'enough' > /dev/null
until dispatch list --pending | grep -q 'told to end'; do kill -0 "$watching"; sleep 0.02; done
touch "$STORY/tmp/go"
until origin ls-tree -r --name-only HEAD logs | grep -q 'cancel-.*/status.yml'; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
test ! -e "$STORY/tmp/never"
origin show HEAD:logs/a/status.yml | grep -A2 -e 'name: slow' -e 'name: never' | grep -e name: -e reason
--- stdout
- name: slow
- name: never
  reason: not_run
--- content logs/a/status.yml outcome reason
outcome: cancelled
reason: "cancelled: enough"
