A detached clone gives the remote's URL and is left detached.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
git checkout -q --detach
dispatch run
git symbolic-ref -q HEAD || echo "still detached"
--- stdout has
still detached
--- tree requests processed
processed/a.yml
