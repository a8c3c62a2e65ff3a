A record that somebody reverts brings its request back to the inbox: it is not run a second time, and the message names `rerun`.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: deploy
--- run
dispatch run
git pull -q origin main
git revert --no-edit HEAD >/dev/null
git push -q origin main
dispatch run
--- content logs/a/status.yml status outcome exit_code reason
status: error
outcome: rejected
exit_code: 64
reason: returned
--- content has logs/a/error.log
rerun
--- content lacks logs/a/log.jsonl
really-ran
--- tree requests processed
processed/a.yml
