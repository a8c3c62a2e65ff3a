Keys and kinds whose time has not come are refused in words, not ignored.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/target.yml
kind: deploy
target: {node: web-1}
--- file requests/rerun.yml
kind: deploy
rerun_of: 00000000-0000-4000-8000-00000000000a
--- file requests/reserved.yml
kind: dispatch.pause
--- file requests/made-up.yml
kind: dispatch.teleport
--- run
dispatch run
for name in target rerun reserved made-up; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
done
--- stdout lacks
was not rejected
--- content has logs/target/error.log
not yet
--- content has logs/rerun/error.log
not yet
--- content has logs/reserved/error.log
not yet
