Exit 75 of an at-most-once handler is a failure: it is not started again.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
echo "attempt $DISPATCH_ATTEMPT"
exit 75
--- file requests/a.yml
kind: once
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code
status: failure
outcome: failed
exit_code: 75
--- content logs/a/handler.log
attempt 1
