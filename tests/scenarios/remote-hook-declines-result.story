Where it is the handler's result in the status that is declined, or a server that quotes what it found, the record is published with nothing that the handler wrote, and the others go on.
--- file handlers/index.yml
say: handlers/say.sh
--- file handlers/say.sh
#!/bin/sh
sed -n 's/^  word: \(.*\)/{"said": "word-\1"}/p' "$1" > "$DISPATCH_RESULT"
--- run
cat > "$STORY/origin.git/hooks/pre-receive" <<'END'
#!/bin/sh
while read -r old new name; do
    if git grep -q 'word-forbidden' "$new" -- logs; then
        echo "found word-forbidden in logs" >&2
        exit 1
    fi
done
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
mkdir -p requests
printf 'kind: say\nspec:\n  word: forbidden\n' > requests/a.yml
printf 'kind: say\nspec:\n  word: fine\n' > requests/b.yml
merge words
dispatch run --push-tries 2
--- content logs/a/status.yml outcome withheld result
outcome: succeeded
withheld: the server declines this record with and without its output
--- content has logs/b/status.yml
said: word-fine
--- tree requests processed
processed/a.yml
processed/b.yml
