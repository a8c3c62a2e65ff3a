What is not on the mainline of the remote does not run: neither an uncommitted file nor a commit that was not pushed.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/.gitkeep
--- file requests/merged.yml
kind: greet
--- run
printf 'kind: greet\n' > requests/committed.yml
git add -A
git commit -qm 'not pushed'
printf 'kind: greet\n' > requests/uncommitted.yml
dispatch run
ls requests
--- stdout has
committed.yml
uncommitted.yml
--- history
executor: [UUID] rc=0
start
