An origin that has its main checked out takes no push: 78 with its words and nothing lost; when that is mended the record is published.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 78
git clone -q "$STORY/origin.git" "$STORY/other"
git remote set-url origin "$STORY/other"
dispatch run
--- stderr has
branch is currently checked out
--- run
git -C "$STORY/other" checkout -q --detach
dispatch run
git -C "$STORY/other" ls-tree -r --name-only main requests processed
--- stdout
processed/a.yml
--- again off
