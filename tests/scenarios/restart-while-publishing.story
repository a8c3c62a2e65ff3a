A dispatcher that is killed after its push and before it knew: the next pass finds the record on main, runs nothing and commits nothing.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: greet
--- run
mkdir -p "$STORY/tmp"
printf '#!/bin/sh\nwhile read -r old new ref; do :; done\nkill -9 "$(cat %s/tmp/pid)"\nexit 0\n' "$STORY" > "$STORY/origin.git/hooks/post-receive"
chmod 755 "$STORY/origin.git/hooks/post-receive"
sh -c 'echo $$ > "$STORY/tmp/pid"; exec dispatch run' || true
rm "$STORY/origin.git/hooks/post-receive"
git --git-dir "$STORY/origin.git" log --format=%s main | wc -l
dispatch run
git --git-dir "$STORY/origin.git" log --format=%s main | wc -l
--- stdout
2
2
--- content logs/a/status.yml outcome
outcome: succeeded
