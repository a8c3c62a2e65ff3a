Without a remote, a path that we would touch and that has uncommitted changes stops the request before its start: 75, the path named, nothing run.
--- remote none
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo ran
--- file requests/a.yml
kind: greet
--- run 75
echo '# edited by hand' >> requests/a.yml
dispatch run
--- stderr has
requests/a.yml
--- history
start
--- run
git checkout -q requests/a.yml
dispatch run
--- content logs/a/status.yml outcome
outcome: succeeded
