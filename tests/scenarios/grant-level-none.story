A kind that the host file names may run at level `none`, and the record says so.
--- host
levels: {none: [bare]}
--- file handlers/index.yml
bare: {run: handlers/bare.sh, sandbox: {level: none}}
--- file handlers/bare.sh
#!/bin/sh
echo "here: $1"
--- file requests/a.yml
kind: bare
--- run
dispatch run
--- content logs/a/status.yml status outcome
status: success
outcome: succeeded
--- content has logs/a/status.yml
level: none
--- content has logs/a/handler.log
here: requests/a.yml
