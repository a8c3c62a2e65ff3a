A granted secret reaches its handler as a file and appears nowhere in the record, neither raw nor encoded.
--- host
secrets: {API_TOKEN: {file: [STORY]/token, kinds: [call]}}
--- file handlers/index.yml
call: {run: handlers/call.sh, secrets: [API_TOKEN]}
--- file handlers/call.sh
#!/bin/sh
test "$(wc -c < "$DISPATCH_SECRETS/API_TOKEN")" -gt 8 && echo "the file is there"
echo "raw: $(cat "$DISPATCH_SECRETS/API_TOKEN")"
echo "base64: $(base64 < "$DISPATCH_SECRETS/API_TOKEN")"
cp "$DISPATCH_SECRETS/API_TOKEN" "$2/stolen.txt"
test -z "$API_TOKEN" && echo "not in the environment"
--- file requests/a.yml
kind: call
--- run
printf 'sw0rdfish-and-trombone' > "$STORY/token"
chmod 600 "$STORY/token"
dispatch run
origin grep -c 'sw0rdfish-and-trombone' HEAD -- || echo "raw: nowhere"
origin grep -c "$(base64 < "$STORY/token" | cut -c1-24)" HEAD -- || echo "encoded: nowhere"
grep -rqa 'sw0rdfish-and-trombone' .git/dispatch || echo "spool: nowhere"
--- stdout has
raw: nowhere
encoded: nowhere
spool: nowhere
--- content has logs/a/handler.log
the file is there
not in the environment
