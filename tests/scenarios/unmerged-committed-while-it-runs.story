An uncommitted request that somebody commits while it runs is the same request: it is run once, and its record takes it out of the inbox.
--- host
levels: {none: [hold]}
--- file codex.repo.yaml
codex: {enforce_merge_before_execution: false}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp' "$1")
echo began >> "$folder/began"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/.gitkeep
--- run
printf 'kind: hold\nspec:\n  folder: %s/tmp\n' "$STORY" > requests/a.yml
dispatch -q run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
git add requests
git commit -q -m 'committed after all'
git push -q origin HEAD:main
touch "$STORY/tmp/go"
wait "$running"
dispatch -q run
wc -l < "$STORY/tmp/began"
git status --short
--- stdout
1
--- tree requests processed
processed/a.yml
requests/.gitkeep
--- history
executor: [UUID] rc=0
committed after all
start
