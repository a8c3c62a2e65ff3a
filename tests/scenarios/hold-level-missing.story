A layer that the machine lacks holds what needs it: the request stays in the inbox, the pass ends with 69, and `why` names the layer.
--- host
levels: {require: [cgroup.made-up]}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
--- run 69|78
dispatch run
--- stderr has
cgroup.made-up
--- tree requests processed
requests/a.yml
--- again off
