A dispatcher that is killed in the middle of an action of an at-least-once kind: the next pass goes on without the handler, starts that action again and then those after it.
--- host
actions:
  before: {run: [sh, -c, 'echo before >> [STORY]/tmp/done'], kinds: [deploy]}
  hold: {run: [sh, -c, 'echo hold >> [STORY]/tmp/done; test $(grep -c hold [STORY]/tmp/done) -gt 1 || exec sleep 600'], kinds: [deploy]}
  after: {run: [sh, -c, 'echo after >> [STORY]/tmp/done'], kinds: [deploy]}
levels: {none: [deploy]}
--- file handlers/index.yml
deploy: {run: handlers/deploy.sh, delivery: at-least-once, then: [before, hold, after], sandbox: {level: none}}
--- file handlers/deploy.sh
#!/bin/sh
echo handler >> "$(grep -o '/[^ ]*/done$' "$1")"
echo '{"url": "x"}' > "$DISPATCH_RESULT"
--- file requests/a.yml
kind: deploy
spec:
  file: [STORY]/tmp/done
--- run
mkdir -p "$STORY/tmp"
dispatch run & running=$!
until grep -q hold "$STORY/tmp/done" 2>/dev/null; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
cat "$STORY/tmp/done"
--- stdout
handler
before
hold
hold
after
--- content logs/a/status.yml outcome result then
outcome: succeeded
then:
- name: before
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
- name: hold
  started_at: "[TIME]"
  duration_ms: [DURATION]
  starts: 2
  exit_code: 0
- name: after
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
result:
  url: x
--- tree requests processed
processed/a.yml
