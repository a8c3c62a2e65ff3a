A dispatcher that is killed after the handler has succeeded and before its first action: the handler is not started again, and the action is carried out, once.
--- host
levels: {none: [deploy]}
actions:
  reload: {run: [sh, -c, 'echo reload >> [STORY]/tmp/done'], kinds: [deploy]}
--- file handlers/index.yml
deploy: {run: handlers/deploy.sh, sandbox: {level: none}, then: [reload]}
--- file handlers/deploy.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp$' "$1")
echo handler >> "$folder/done"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: deploy
spec:
  folder: [STORY]/tmp
--- run
dispatch watch --interval 1s 2> "$STORY/told" & watching=$!
until grep -q handler "$STORY/tmp/done" 2>/dev/null; do kill -0 "$watching"; sleep 0.02; done
# While a stranger records here no action of an at-most-once kind begins: that is the moment between the two steps.
git commit -q --allow-empty -m 'executor: elsewhere

Dispatch-State: 11111111-1111-4111-8111-111111111111'
git push -q origin main
until grep -q 'another dispatcher' "$STORY/told"; do kill -0 "$watching"; sleep 0.02; done
touch "$STORY/tmp/go"
until grep -q 'a.yml is held' "$STORY/told"; do kill -0 "$watching"; sleep 0.02; done
kill -9 "$watching"
wait "$watching" || true
cat "$STORY/tmp/done"
dispatch adopt
dispatch run
cat "$STORY/tmp/done"
--- stdout
handler
adopted the records of state [UUID]
handler
reload
--- content logs/a/status.yml outcome exit_code
outcome: succeeded
exit_code: 0
--- tree requests
