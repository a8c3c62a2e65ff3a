A request one folder down is archived and logged under the same folder; deeper ones are not read.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo "$1 $2"
--- file requests/team/a.yml
kind: greet
--- run
dispatch run
--- tree requests processed logs
logs/team/a/dispatch.log
logs/team/a/handler.log
logs/team/a/log.jsonl
logs/team/a/status.yml
processed/team/a.yml
--- content logs/team/a/handler.log
requests/team/a.yml logs/team/a
