An empty remote is said to be empty; once it has a main with a request, the next pass runs it.
--- remote empty
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 0|69|75|78
dispatch run
--- stderr has
main
--- run
merge start
dispatch run
--- tree requests processed
processed/a.yml
