A request that is deleted, or renamed, while it runs is finished anyway: the admitted bytes are archived with the record, and the new name is a request of its own.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
greet: handlers/greet.sh
hold: {run: handlers/hold.sh, resource: "{id}", sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
here=$(sed -n 's/^  here: //p' "$1")
echo "$1" >> "$here/began"
until [ -e "$here/go" ]; do sleep 0.02; done
--- file requests/first.yml
kind: greet
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch run
mkdir -p requests
printf 'kind: hold\nspec:\n  here: %s\n' "$STORY/tmp" | tee requests/gone.yml > requests/old.yml
echo '  renamed: true' >> requests/old.yml
merge both
touch "$STORY/tmp/began"
chmod 711 "$STORY" "$STORY/tmp"; chmod 666 "$STORY/tmp/began"
dispatch run --jobs 2 & running=$!
until [ "$(wc -l < "$STORY/tmp/began")" = 2 ]; do kill -0 "$running"; sleep 0.02; done
git rm -q requests/gone.yml
git mv requests/old.yml requests/new.yml
git commit -qm 'gone and renamed'
git push -q origin main
touch "$STORY/tmp/go"
wait "$running"
dispatch run
sort "$STORY/tmp/began"
--- stdout
requests/gone.yml
requests/new.yml
requests/old.yml
--- tree requests processed
processed/first.yml
processed/gone.yml
processed/new.yml
processed/old.yml
