After its last attempt a request that only asks to be tried again ends as failed.
--- file handlers/index.yml
never:
  run: handlers/never.sh
  delivery: at-least-once
  retry: {attempts: 2, backoff: 10ms, max_backoff: 10ms}
--- file handlers/never.sh
#!/bin/sh
exit 75
--- file requests/a.yml
kind: never
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code
status: failure
outcome: failed
exit_code: 75
