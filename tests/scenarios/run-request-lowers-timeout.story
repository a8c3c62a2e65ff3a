A request may lower its handler's timeout and never raise it.
--- file handlers/index.yml
nap: {run: handlers/nap.sh, timeout: 20s, grace: 200ms}
--- file handlers/nap.sh
#!/bin/sh
sleep 1000
--- file requests/lower.yml
kind: nap
timeout: 300ms
--- file requests/raise.yml
kind: nap
timeout: 30s
--- run
dispatch run
--- content logs/lower/status.yml outcome
outcome: timed_out
--- content logs/raise/status.yml outcome exit_code
outcome: rejected
exit_code: 64
--- content has logs/raise/error.log
requests/raise.yml:2:10
