On a remote that nothing of ours has reached yet one request goes ahead alone and `why` says what the others wait for; where everything is declined there that costs one start.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, resource: "{id}", sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
here=$(sed -n 's/^  here: //p' "$1")
echo "$1" >> "$here/began"
until [ -e "$here/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: hold
spec:
  here: [STORY]/tmp
--- file requests/b.yml
kind: hold
spec:
  here: [STORY]/tmp
  second: true
--- run
touch "$STORY/tmp/began"
chmod 711 "$STORY" "$STORY/tmp"; chmod 666 "$STORY/tmp/began"
printf '#!/bin/sh\necho "protected" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run --jobs 2 --push-tries 2 & running=$!
until [ -s "$STORY/tmp/began" ] && grep -q waiting.*alone .git/dispatch/status.json; do kill -0 "$running"; sleep 0.02; done
dispatch why b
touch "$STORY/tmp/go"
wait "$running" || test $? = 75
cat "$STORY/tmp/began"
--- stdout has
nothing of ours has reached this remote yet: one request goes ahead alone
requests/a.yml
--- stdout lacks
requests/b.yml
--- run
rm "$STORY/origin.git/hooks/pre-receive"
dispatch run --jobs 2
--- tree requests processed
processed/a.yml
processed/b.yml
