A bare clone serves as well: nothing needs a work tree.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
git clone -q --bare "$STORY/origin.git" "$STORY/bare.git"
cd "$STORY/bare.git"
dispatch run
--- tree requests processed
processed/a.yml
--- again off
