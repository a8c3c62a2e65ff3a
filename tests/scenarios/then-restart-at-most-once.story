A dispatcher that is killed in the middle of an action of an at-most-once kind: neither handler nor action is started again, and the record says that nobody saw the action's end.
--- host
actions:
  before: {run: [sh, -c, 'echo before >> [STORY]/tmp/done'], kinds: [deploy]}
  hold: {run: [sh, -c, 'echo hold >> [STORY]/tmp/done; echo half done; exec sleep 600'], kinds: [deploy]}
  after: {run: [sh, -c, 'echo after >> [STORY]/tmp/done'], kinds: [deploy]}
--- file handlers/index.yml
deploy: {run: handlers/deploy.sh, then: [before, hold, after]}
--- file handlers/deploy.sh
#!/bin/sh
echo deployed
echo kept > "$2/kept.txt"
echo '{"url": "x"}' > "$DISPATCH_RESULT"
--- file requests/a.yml
kind: deploy
id: 00000000-0000-4000-8000-00000000000a
--- run
mkdir -p "$STORY/tmp"
dispatch run & running=$!
until grep -q hold "$STORY/tmp/done" 2>/dev/null; do kill -0 "$running"; sleep 0.02; done
dispatch list 2>/dev/null | grep -o 'then hold'
kill -9 "$running"
wait "$running" || true
dispatch list 2>/dev/null | grep -o 'interrupted'
dispatch run
cat "$STORY/tmp/done"
--- stdout
then hold
interrupted
before
hold
--- content logs/a/status.yml status outcome reason exit_code result then
status: error
outcome: indeterminate
reason: "then hold: started and not seen to end"
then:
- name: before
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
- name: hold
  started_at: "[TIME]"
  reason: started and not seen to end
- name: after
  reason: not_run
result:
  url: x
--- content logs/a/handler.log
deployed
[… then before …]
[… then hold …]
half done
--- tree logs processed requests
logs/a/dispatch.log
logs/a/handler.log
logs/a/kept.txt
logs/a/log.jsonl
logs/a/status.yml
processed/a.yml
--- content has logs/a/log.jsonl
"ev":"exited"
"ev":"action_ended","action":"before","exit_code":0
"ev":"action_started","action":"hold"
"ev":"action_ended","action":"hold","reason":"started and not seen to end"
"outcome":"indeterminate"
