A merge with main as its second parent gives a request that another host runs another derived id: it is not run for that id too, not even where the lock key is the id.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, resource: "{id}", sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
folder=$(grep -o '/[^ ]*/tmp' "$1")
echo began >> "$folder/began"
until [ -e "$folder/go" ]; do sleep 0.02; done
--- file requests/.gitkeep
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
git checkout -q -b work
echo local > notes
git add notes
git commit -q -m 'local work'
git checkout -q main
printf 'kind: hold\nspec:\n  folder: %s/tmp\n' "$STORY" > requests/a.yml
merge ask
dispatch -q run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
git checkout -q work
git fetch -q origin
git merge -q -m 'merge main into local work' origin/main
git push -q origin work:main
git checkout -q main
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run) || true
touch "$STORY/tmp/go"
wait "$running"
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
wc -l < "$STORY/tmp/began"
--- stdout
1
--- tree requests processed
processed/a.yml
requests/.gitkeep
