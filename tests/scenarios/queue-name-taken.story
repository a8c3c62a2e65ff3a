A name that is already taken in the archive gets `-2`; nothing is overwritten.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
cat "$1"
--- file requests/a.yml
kind: greet
--- run
dispatch run
mkdir -p requests
printf 'kind: greet\nspec: {second: true}\n' > requests/a.yml
merge again
dispatch run
--- tree requests processed logs
logs/a-2/dispatch.log
logs/a-2/handler.log
logs/a-2/log.jsonl
logs/a-2/status.yml
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
processed/a-2.yml
processed/a.yml
--- content processed/a.yml
kind: greet
--- content processed/a-2.yml
kind: greet
spec: {second: true}
