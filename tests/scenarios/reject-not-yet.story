Keys and kinds whose time has not come are refused in words, not ignored.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/reserved.yml
kind: dispatch.pause
--- file requests/made-up.yml
kind: dispatch.teleport
--- run
dispatch run
for name in reserved made-up; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
done
--- stdout lacks
was not rejected
--- content has logs/reserved/error.log
not yet
