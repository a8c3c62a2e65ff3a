YAML that parsers read differently is refused by name and place, each file with a record of its own, and the right one runs.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
cat
--- file requests/duplicate-key.yml
kind: deploy
spec:
  a: 1
  a: 2
--- file requests/tag.yml
kind: deploy
spec: {a: !!str 1}
--- file requests/merge-key.yml
kind: deploy
spec:
  <<: {a: 1}
--- file requests/two-documents.yml
kind: deploy
---
kind: deploy
--- file requests/octal.yml
kind: deploy
spec: {mode: 010}
--- file requests/key-not-string.yml
kind: deploy
spec: {1: one}
--- file requests/not-a-number.yml
kind: deploy
spec: {a: .nan}
--- file requests/infinity.yml
kind: deploy
spec: {a: .inf}
--- file requests/big-integer.yml
kind: deploy
spec: {a: 99999999999999999999}
--- file requests/unclosed.yml
kind: deploy
spec: {a: [1
--- file requests/right.yml
kind: deploy
spec: {country: no, switch: on, mode: "010", big: 18446744073709551615}
--- run
dispatch run
for file in requests/*; do
    name=$(basename "$file" .yml)
    echo "still in the inbox: $name"
done 2>/dev/null | grep -v '\*' || true
for name in duplicate-key tag merge-key two-documents octal key-not-string not-a-number infinity big-integer unclosed; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
done
--- stdout lacks
was not rejected
still in the inbox
--- content has logs/duplicate-key/error.log
requests/duplicate-key.yml:4:3
--- content has logs/tag/error.log
requests/tag.yml:2:
--- content has logs/merge-key/error.log
requests/merge-key.yml:3:3
--- content has logs/two-documents/error.log
requests/two-documents.yml:2:
--- content has logs/octal/error.log
requests/octal.yml:2:14
--- content has logs/key-not-string/error.log
requests/key-not-string.yml:2:8
--- content has logs/not-a-number/error.log
requests/not-a-number.yml:2:11
--- content has logs/infinity/error.log
requests/infinity.yml:2:11
--- content has logs/big-integer/error.log
requests/big-integer.yml:2:11
--- content logs/right/status.yml outcome
outcome: succeeded
--- content has logs/right/handler.log
"country":"no"
