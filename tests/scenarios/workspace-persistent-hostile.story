Whatever a run leaves in its persistent checkout, the next one starts from the admitted commit: a changed handler, links in the place of folders, a planted git folder, folders without rights.
--- file handlers/index.yml
build: {run: handlers/build.sh, workspace: persistent}
--- file handlers/build.sh
#!/bin/sh
set -eu
if [ ! -e ran ]; then
    touch ran
    echo 'echo replaced' > handlers/build.sh
    rm -rf docs && ln -s /etc docs
    mkdir -p .git/hooks locked && echo '[core]' > .git/config
    chmod 0 locked
    chmod 0 src
    exit 0
fi
cat docs/page src/main
cat "$1"
--- file docs/page
the page
--- file src/main
the source
--- file requests/a.yml
kind: build
spec: {n: 1}
--- run
dispatch run
printf 'kind: build\nspec: {n: 2}\n' > requests/b.yml
git pull -q && git add . && git commit -qm second && git push -q
dispatch run
git pull -q
cat logs/b/handler.log
chmod -R u+rwx .git/dispatch/checkouts
--- stdout
the page
the source
kind: build
spec: {n: 2}
--- content logs/b/status.yml outcome
outcome: succeeded
