An at-least-once handler that exits 75 is tried again, and every attempt stands in the record.
--- file handlers/index.yml
flaky:
  run: handlers/flaky.sh
  delivery: at-least-once
  retry: {attempts: 3, backoff: 10ms, max_backoff: 20ms}
--- file handlers/flaky.sh
#!/bin/sh
echo "attempt $DISPATCH_ATTEMPT"
[ "$DISPATCH_ATTEMPT" -ge 3 ] || exit 75
--- file requests/a.yml
kind: flaky
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code
status: success
outcome: succeeded
exit_code: 0
--- content has logs/a/handler.log
attempt 3
--- history
executor: [UUID] rc=0
start
