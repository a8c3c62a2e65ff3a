Two names that differ only in case are told apart or refused, but neither is lost and the queue moves.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/same.yml
kind: deploy
--- file requests/SAME.yml
kind: deploy
spec: {upper: true}
--- file requests/right.yml
kind: deploy
--- run
dispatch run
origin ls-tree -r --name-only HEAD logs/ | grep -c 'status.yml$'
--- stdout has
3
--- tree requests
--- content logs/right/status.yml outcome
outcome: succeeded
