A record that lies beside its unread request is somebody's forgery: it is warned of, the request runs, and takes the next name.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: deploy
--- file logs/a/status.yml
status: success
outcome: succeeded
--- run
dispatch run
--- stderr has
logs/a
--- tree logs
logs/a-2/dispatch.log
logs/a-2/handler.log
logs/a-2/log.jsonl
logs/a-2/status.yml
logs/a/status.yml
--- content logs/a-2/status.yml outcome
outcome: succeeded
--- tree requests
