A host file that is wrong is a fault of the machine: 78, with its place and the nearest known name.
--- host
levles: {none: [greet]}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 78
dispatch run
--- stderr has
host.yaml:
did you mean `levels`?
--- tree requests
requests/a.yml
--- again 78
