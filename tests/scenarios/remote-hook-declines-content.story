A record that the server declines for its content is published reduced, with the server's words, and the queue goes on.
--- file handlers/index.yml
say: handlers/say.sh
--- file handlers/say.sh
#!/bin/sh
grep -o 'word: .*' "$1"
--- run
cat > "$STORY/origin.git/hooks/pre-receive" <<'END'
#!/bin/sh
while read -r old new name; do
    case $name in refs/heads/main) ;; *) continue ;; esac
    if git grep -q 'word: forbidden' "$new" -- logs; then
        echo "no forbidden words in logs" >&2
        exit 1
    fi
done
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
mkdir -p requests
printf 'kind: say\nspec:\n  word: forbidden\n' > requests/a.yml
printf 'kind: say\nspec:\n  word: fine\n' > requests/b.yml
merge words
dispatch run
--- content has logs/a/status.yml
outcome: succeeded
withheld:
--- content has logs/b/handler.log
word: fine
--- tree requests processed
processed/a.yml
processed/b.yml
