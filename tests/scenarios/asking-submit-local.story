Without a remote `submit` puts the request on the branch itself, and the file that `new` wrote becomes the committed one.
--- remote none
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch new greet --name a 2>/dev/null
dispatch new greet --name b 2>/dev/null
git add requests/b.yml
dispatch submit requests/a.yml requests/b.yml >/dev/null 2>&1
git status --short
git log -1 --format=%s --name-status
ls -A requests
--- stdout
requests/a.yml
requests/b.yml
request: 2 requests

A	requests/a.yml
A	requests/b.yml
a.yml
b.yml
--- run
dispatch run
