A server that declines one record for its content: it is published reduced, and the other one whole.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
grep -o "word: .*" "$1"
--- file requests/a.yml
kind: once
spec: {word: none}
--- run
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
printf 'kind: once\nspec:\n  word: forbidden\n' > requests/b.yml
printf 'kind: once\nspec:\n  word: fine\n' > requests/c.yml
merge words
dispatch run --jobs 1
