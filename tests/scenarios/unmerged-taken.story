With `enforce_merge_before_execution: false` an uncommitted file in the inbox is taken too, and committed with its record.
--- file codex.repo.yaml
codex: {enforce_merge_before_execution: false}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
cat "$1"
--- file requests/.gitkeep
--- run
printf 'kind: greet\nspec: {quick: true}\n' > requests/now.yml
dispatch run
test ! -e requests/now.yml
--- tree requests processed
processed/now.yml
requests/.gitkeep
--- content logs/now/handler.log
kind: greet
spec: {quick: true}
--- history
executor: [UUID] rc=0
start
