A shallow clone is no obstacle: history is fetched into the dispatcher's own repository.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
git commit -q --allow-empty -m later
git push -q origin main
git clone -q --depth 1 "file://$STORY/origin.git" "$STORY/shallow"
cd "$STORY/shallow"
dispatch run
--- tree requests processed
processed/a.yml
--- again off
