Where the state folder holds a file `paused`, nothing is started and nothing lost.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch check
mkdir -p .git/dispatch && chmod 700 .git/dispatch
touch .git/dispatch/paused
dispatch run 2>&1
dispatch
dispatch why a
--- stdout has
paused
paused: nothing is started while `[STORY]/clone/.git/dispatch/paused` exists
a is pending: the dispatcher is paused
next: `rm [STORY]/clone/.git/dispatch/paused` lets it go on
--- tree requests processed
requests/a.yml
--- run
rm .git/dispatch/paused
dispatch run
--- tree requests processed
processed/a.yml
