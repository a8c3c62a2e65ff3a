Records whose places are in each other's way, and a file that stands where a folder is needed: each gets a record, nothing stops the queue.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/team.yml
kind: greet
--- file requests/team/status.yml.yml
kind: greet
--- file logs/ops
a file where a folder is needed
--- file requests/ops/a.yml
kind: greet
--- run
dispatch run
dispatch list --json | grep -c '"state": "succeeded"'
--- stdout
3
--- content logs/ops
a file where a folder is needed
--- run
git ls-tree -r --name-only origin/main requests | wc -l
--- stdout
0
