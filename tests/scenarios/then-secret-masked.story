A secret that the handler was given is masked in what an action prints, after a restart too.
--- host
secrets: {API_TOKEN: {file: [STORY]/token, kinds: [call]}}
actions:
  tell: {run: [sh, -c, 'echo "raw: $(cat [STORY]/token)"; base64 < [STORY]/token'], kinds: [call]}
  hold: {run: [sh, -c, 'echo hold >> [STORY]/tmp/done; test $(grep -c hold [STORY]/tmp/done) -gt 1 || exec sleep 600; echo "again: $(cat [STORY]/token)"'], kinds: [call]}
--- file handlers/index.yml
call: {run: handlers/call.sh, delivery: at-least-once, secrets: [API_TOKEN], then: [tell, hold]}
--- file handlers/call.sh
#!/bin/sh
echo called
--- file requests/a.yml
kind: call
--- run
mkdir -p "$STORY/tmp"
printf 'sw0rdfish-and-trombone' > "$STORY/token"
chmod 600 "$STORY/token"
dispatch run & running=$!
until grep -q hold "$STORY/tmp/done" 2>/dev/null; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
origin grep -c 'sw0rdfish-and-trombone' HEAD -- || echo "raw: nowhere"
origin grep -c "$(base64 < "$STORY/token" | cut -c1-24)" HEAD -- || echo "encoded: nowhere"
grep -rqa 'sw0rdfish-and-trombone' .git/dispatch || echo "spool: nowhere"
--- stdout has
raw: nowhere
encoded: nowhere
spool: nowhere
--- content has logs/a/handler.log
[… then tell …]
raw: 
[… then hold …]
again: 
