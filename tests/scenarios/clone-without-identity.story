With no identity configured anywhere records are committed all the same, in the dispatcher's own name.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
git config --unset user.name
git config --unset user.email
env -u GIT_AUTHOR_NAME -u GIT_AUTHOR_EMAIL -u GIT_COMMITTER_NAME -u GIT_COMMITTER_EMAIL dispatch run
origin log -1 --format='%an%ae%cn%ce' | grep -q . && echo "somebody is named"
--- stdout has
somebody is named
--- tree requests processed
processed/a.yml
