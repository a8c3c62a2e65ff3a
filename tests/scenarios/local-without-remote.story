Without a remote the user's repository is the origin: the branch moves, and the work tree follows.
--- remote none
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: greet
--- run
dispatch run
git status --porcelain
test -e processed/a.yml
--- stdout lacks
processed
requests
--- tree requests processed
processed/a.yml
--- history
executor: [UUID] rc=0
start
