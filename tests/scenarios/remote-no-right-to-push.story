A key that may read and not write is told apart from a network that is down: 75 with the server's words and no further try in this pass, and when it may write the record is published and nothing is run again.
--- host
levels: {none: [count]}
--- file handlers/index.yml
count: {run: handlers/count.sh, resource: "{id}", sandbox: {level: none}}
--- file handlers/count.sh
#!/bin/sh
echo ran >> "$(grep -o '/[^ ]*/count$' "$1")"
--- file requests/a.yml
kind: count
spec:
  file: [STORY]/tmp/count
--- file requests/b.yml
kind: count
spec:
  second: true
  file: [STORY]/tmp/count
--- run 75
chmod 711 "$STORY" "$STORY/tmp"
touch "$STORY/tmp/count"; chmod 666 "$STORY/tmp/count"
cat > "$STORY/bin/ssh" <<'END'
#!/bin/sh
for command; do :; done
case $command in
    git-receive-pack*)
        if [ ! -e "$STORY/tmp/may-write" ]; then
            echo "ERROR: Permission to team/repo.git denied to deploy key" >&2
            exit 1
        fi ;;
esac
exec sh -c "$command"
END
sed -i "s|\$STORY|$STORY|" "$STORY/bin/ssh"
chmod 755 "$STORY/bin/ssh"
git remote set-url origin "ssh://git@example.invalid$STORY/origin.git"
dispatch run
--- stderr has
the remote does not let us in: ERROR: Permission to team/repo.git denied to deploy key
1 succeeded; 1 not published yet
--- run
dispatch why b
--- stdout has
records cannot be published: nothing new is started until a push goes through
--- run
touch "$STORY/tmp/may-write"
dispatch run
wc -l < "$STORY/tmp/count"
--- stdout
2
--- tree requests processed
processed/a.yml
processed/b.yml
