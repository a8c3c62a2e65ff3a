A hook that rejects every push keeps the record on the host: 75 without running anything twice, and the next pass publishes when the hook is gone.
--- host
levels: {none: [count]}
--- file handlers/index.yml
count: {run: handlers/count.sh, sandbox: {level: none}}
--- file handlers/count.sh
#!/bin/sh
echo ran >> "$(grep -o '/[^ ]*/count$' "$1")"
--- file requests/a.yml
kind: count
spec:
  file: [STORY]/tmp/count
--- run 75
chmod 711 "$STORY"; chmod 711 "$STORY/tmp"
touch "$STORY/tmp/count"; chmod 666 "$STORY/tmp/count"
printf '#!/bin/sh\necho "main is protected by policy" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run
--- stderr has
main is protected by policy
--- history
start
--- run 75
dispatch run
--- run
rm "$STORY/origin.git/hooks/pre-receive"
dispatch run
wc -l < "$STORY/tmp/count"
--- stdout has
1
--- tree requests processed
processed/a.yml
--- content logs/a/status.yml outcome
outcome: succeeded
