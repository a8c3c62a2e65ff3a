The first run fixes the state folder: another one for the same clone is refused with 78.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch run
stat -c %a .git/dispatch
test ! -e "$STORY/other"
--- stdout has
700
--- run 78
dispatch --state "$STORY/other" run
--- stderr has
/other
