A hundred requests merged in one commit are all recorded by one pass.
--- file handlers/index.yml
noop: handlers/noop.sh
--- file handlers/noop.sh
#!/bin/sh
--- run
mkdir -p requests
for n in $(seq -w 1 100); do echo 'kind: noop' > requests/r$n.yml; done
merge hundred
dispatch run
origin ls-tree -r --name-only HEAD requests/ | wc -l
origin ls-tree -r --name-only HEAD processed/ | wc -l
origin ls-tree -r --name-only HEAD logs/ | grep -c 'status.yml$'
--- stdout has
0
100
100
