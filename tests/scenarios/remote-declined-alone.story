A record that is declined all alone keeps its output: only when a later pass declines it too is it published without, and a hook that was broken for a while costs nothing.
--- file handlers/index.yml
say: handlers/say.sh
--- file handlers/say.sh
#!/bin/sh
grep -o 'word: .*' "$1"
--- file requests/first.yml
kind: say
spec: {word: first}
--- run
dispatch run --push-tries 2
mkdir -p requests
printf 'kind: say\nspec:\n  word: kept\n' > requests/a.yml
merge one
printf '#!/bin/sh\necho "the scanner does not answer" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
--- run 75
dispatch run --push-tries 2
--- stderr has
the scanner does not answer
--- run
rm "$STORY/origin.git/hooks/pre-receive"
dispatch run --push-tries 2
git --git-dir "$STORY/origin.git" show main:logs/a/status.yml | grep -c withheld || true
git --git-dir "$STORY/origin.git" show main:logs/a/handler.log
--- stdout
0
word: kept
--- run
mkdir -p requests
printf 'kind: say\nspec:\n  word: forbidden\n' > requests/b.yml
merge two
cat > "$STORY/origin.git/hooks/pre-receive" <<'END'
#!/bin/sh
while read -r old new name; do
    if git grep -q 'word: forbidden' "$new" -- logs; then
        echo "no forbidden words in logs" >&2
        exit 1
    fi
done
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
--- run 75
dispatch run --push-tries 2
--- stderr has
no forbidden words in logs
--- tree requests
requests/b.yml
--- run
dispatch run --push-tries 2
--- content logs/b/status.yml outcome withheld
outcome: succeeded
withheld: "pre-receive hook declined: no forbidden words in logs"
--- tree logs/b requests
logs/b/status.yml
--- run
dispatch logs b
--- stdout has
word: forbidden
