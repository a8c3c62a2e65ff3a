A request that is edited while it runs: the admitted bytes are archived with its record, and the edit is a request of its own.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
here=$(sed -n 's/^  here: //p' "$1")
grep -c edited "$1" >> "$here/began"
until [ -e "$here/go" ]; do sleep 0.02; done
--- file requests/a.yml
kind: hold
spec:
  here: [STORY]/tmp
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
echo '  edited: true' >> requests/a.yml
merge 'an edit'
touch "$STORY/tmp/go"
wait "$running"
git --git-dir "$STORY/origin.git" show main:processed/a.yml | grep -c edited || true
git --git-dir "$STORY/origin.git" show main:requests/a.yml | grep -c edited
dispatch run
cat "$STORY/tmp/began"
--- stdout
0
1
0
1
--- tree requests processed
processed/a-2.yml
processed/a.yml
