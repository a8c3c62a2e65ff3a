A state folder that cannot be written ends the pass with 73 and starts nothing.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 73
rm -rf .git/dispatch
echo "a file where the folder should be" > .git/dispatch
dispatch run
--- stderr has
.git/dispatch
--- history
start
--- run
rm .git/dispatch
dispatch run
--- tree requests processed
processed/a.yml
