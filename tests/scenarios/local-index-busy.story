Without a remote, another git at work in the work tree (an editor open in `git commit -a`): the record waits, main stays where it is, and the words say what to do. When it has ended, the record is published and nothing is run again.
--- remote none
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
chmod 711 "$STORY"
touch "$STORY/tmp/count"; chmod 666 "$STORY/tmp/count"
touch .git/index.lock
dispatch run --push-tries 1
--- stderr has
git is at work in the work tree
delete the file if nothing runs
1 succeeded; 1 not published yet
--- run
git rev-parse HEAD^ >/dev/null 2>&1 || echo 'main stands where it was'
rm .git/index.lock
dispatch run
wc -l < "$STORY/tmp/count"
git status --porcelain
--- stdout
main stands where it was
1
--- tree requests processed
processed/a.yml
