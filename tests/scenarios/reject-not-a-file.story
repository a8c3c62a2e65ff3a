A symlink, a submodule and a folder with a request's name are rejected, never followed, and the queue moves.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file secret.txt
kind: deploy
--- file requests/right.yml
kind: deploy
--- file requests/folder.yml/inner.txt
text
--- link requests/link.yml ../secret.txt
--- run
git update-index --add --cacheinfo 160000,1111111111111111111111111111111111111111,requests/module.yml
git commit -qm module
git push -q origin main
dispatch run
origin ls-tree -r --name-only HEAD logs/ | grep -c 'error.log$'
--- stdout has
3
--- tree requests
--- content logs/right/status.yml outcome
outcome: succeeded
