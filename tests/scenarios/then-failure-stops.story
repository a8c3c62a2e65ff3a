An action that does not succeed ends the request `failed` and stops those after it, whatever it was that went wrong with it; its children end with it.
--- host
actions:
  fine: {run: [sh, -c, 'echo fine'], kinds: ["*"]}
  exits: {run: [sh, -c, 'echo no room; exit 1'], kinds: ["*"]}
  hangs: {run: [sh, -c, 'sleep 600 & trap "" TERM; echo waiting; wait; wait'], kinds: ["*"], timeout: 300ms}
  dies: {run: [sh, -c, 'kill -9 $$'], kinds: ["*"]}
  nowhere: {run: [no-such-program-anywhere, --now], kinds: ["*"]}
  never: {run: [sh, -c, 'touch [STORY]/tmp/never'], kinds: ["*"]}
--- file handlers/index.yml
exits: {run: handlers/ok.sh, then: [fine, exits, never]}
hangs: {run: handlers/ok.sh, then: [hangs, never]}
dies: {run: handlers/ok.sh, then: [dies, never]}
nowhere: {run: handlers/ok.sh, then: [nowhere, never]}
--- file handlers/ok.sh
#!/bin/sh
echo ok
--- file requests/exits.yml
kind: exits
--- file requests/hangs.yml
kind: hangs
--- file requests/dies.yml
kind: dies
--- file requests/nowhere.yml
kind: nowhere
--- run
mkdir -p "$STORY/tmp"
dispatch run
for name in exits hangs dies nowhere; do
    origin show HEAD:logs/$name/status.yml | grep -E '^(status|outcome|reason):'
done
test ! -e "$STORY/tmp/never" && echo "none was run after it"
--- stdout
status: failure
outcome: failed
reason: "then exits: exit 1"
status: failure
outcome: failed
reason: "then hangs: timeout"
status: failure
outcome: failed
reason: "then dies: signal SIGKILL"
status: failure
outcome: failed
reason: "then nowhere: not_started: starting `no-such-program-anywhere`: No such file or directory (os error 2); this machine has no such program"
none was run after it
--- content logs/exits/status.yml exit_code then
exit_code: 0
then:
- name: fine
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
- name: exits
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 1
  reason: exit 1
- name: never
  reason: not_run
--- content logs/exits/handler.log
ok
[… then fine …]
fine
[… then exits …]
no room
--- content logs/hangs/handler.log
ok
[… then hangs …]
waiting
--- content has logs/exits/dispatch.log
then       exits: exit 1
then       never: not_run
Next: the handler had succeeded
