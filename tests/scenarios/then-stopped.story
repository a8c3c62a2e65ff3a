A dispatcher that is told twice to stop ends the actions that run and starts no others: of an at-least-once kind the next pass starts that action again, of an at-most-once kind it has failed.
--- host
jobs: 2
actions:
  hold: {run: [sh, -c, 'echo "$DISPATCH_KIND" >> [STORY]/tmp/done; test $(grep -c "$DISPATCH_KIND" [STORY]/tmp/done) -gt 1 || exec sleep 600'], kinds: [again, once]}
  after: {run: [sh, -c, 'echo "after $DISPATCH_KIND" >> [STORY]/tmp/done'], kinds: [again, once]}
--- file handlers/index.yml
plain: handlers/ok.sh
again: {run: handlers/ok.sh, delivery: at-least-once, then: [hold, after]}
once: {run: handlers/ok.sh, then: [hold, after]}
--- file handlers/ok.sh
#!/bin/sh
echo ok
--- file requests/first.yml
kind: plain
--- run
mkdir -p "$STORY/tmp"
dispatch run
printf 'kind: again\n' > requests/again.yml
printf 'kind: once\n' > requests/once.yml
merge 'two that act'
dispatch run & running=$!
until grep -q again "$STORY/tmp/done" 2>/dev/null && grep -q once "$STORY/tmp/done"; do kill -0 "$running"; sleep 0.02; done
kill -TERM "$running"
kill -INT "$running"
wait "$running"
ls requests
dispatch run
sort "$STORY/tmp/done"
--- stdout
again.yml
after again
again
again
once
--- content logs/again/status.yml outcome reason
outcome: succeeded
--- content logs/once/status.yml outcome reason then
outcome: failed
reason: "then hold: shutdown"
then:
- name: hold
  started_at: "[TIME]"
  duration_ms: [DURATION]
  signal: 15
  reason: shutdown
- name: after
  reason: not_run
