Bare `dispatch` says where things stand and starts nothing.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch
--- tree requests
requests/a.yml
--- run
dispatch run
--- tree requests processed
processed/a.yml
