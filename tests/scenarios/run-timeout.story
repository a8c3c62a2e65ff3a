A handler past its timeout is ended with everything that it started, and the next request runs.
--- file handlers/index.yml
slow: {run: handlers/slow.sh, timeout: 500ms, grace: 200ms}
quick: handlers/quick.sh
--- file handlers/slow.sh
#!/bin/sh
echo begun
sleep 1000 &
setsid sleep 1000 &
sleep 1000
--- file handlers/quick.sh
#!/bin/sh
echo done
--- file requests/a.yml
kind: slow
--- file requests/b.yml
kind: quick
--- run
dispatch run
--- content logs/a/status.yml status outcome
status: failure
outcome: timed_out
--- content has logs/a/handler.log
begun
--- content logs/b/status.yml status outcome
status: success
outcome: succeeded
