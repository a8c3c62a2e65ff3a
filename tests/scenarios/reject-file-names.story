Names outside the allowed alphabet are rejected by object id, archived and gone from the inbox; nothing of theirs is run.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
echo ran
--- run
mkdir -p requests
cd requests
for name in '-dash.yml' 'two words.yml' 'größe.yml' 'semi;colon.yml' "$(printf 'new\nline.yml')" "$(printf '%0140d.yml' 1)"; do
    printf 'kind: deploy\nspec: {name: bad}\n' > "./$name"
done
echo 'kind: deploy' > right.yml
cd ..
merge names
dispatch run
origin ls-tree -r --name-only HEAD logs/ | grep -c 'error.log$'
--- stdout has
6
--- tree requests
--- content logs/right/status.yml outcome
outcome: succeeded
