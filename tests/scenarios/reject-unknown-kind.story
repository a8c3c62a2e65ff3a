An unknown kind is the request's own fault: the first line of error.log is fixed, the nearest kind is named, the next request runs.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/a.yml
kind: depoly
--- file requests/b.yml
kind: deploy
--- run
dispatch run
--- content logs/a/status.yml status outcome kind exit_code
status: error
outcome: rejected
kind: depoly
exit_code: 64
--- content has logs/a/error.log
Unknown handler for kind depoly
requests/a.yml:1:7
did you mean `deploy`?
--- run
origin show HEAD:logs/a/error.log | head -n 1
--- stdout
Unknown handler for kind depoly
--- content logs/b/status.yml outcome
outcome: succeeded
--- tree requests processed
processed/a.yml
processed/b.yml
