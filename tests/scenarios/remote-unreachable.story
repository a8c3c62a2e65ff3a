A remote that cannot be reached ends the pass with 75 or 69 and loses nothing; when it is back the next pass goes on.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 69|75
mv "$STORY/origin.git" "$STORY/away.git"
dispatch run
--- stderr has
origin.git
--- run
mv "$STORY/away.git" "$STORY/origin.git"
dispatch run
--- tree requests processed
processed/a.yml
