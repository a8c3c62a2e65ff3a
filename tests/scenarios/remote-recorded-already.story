A record that main has already, with its request gone in the same commit, is never written again: not even where main was written anew and the commit has another name.
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
git fetch -q origin
git checkout -q --detach origin/main~1
git commit -q --amend -m 'start, in other words'
git cherry-pick origin/main >/dev/null
git push -q --force origin HEAD:main
git checkout -q main
--- run 75
dispatch run
--- stderr has
main was rewritten
--- run
dispatch adopt
dispatch run
--- stderr has
on main already
--- history
executor: [UUID] rc=0
start, in other words
--- tree requests logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
