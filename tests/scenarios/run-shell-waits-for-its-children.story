A handler's shell can wait for what it started in the background: no signal comes to it blocked.
--- file handlers/index.yml
wait: {run: handlers/wait.sh, timeout: 20s, grace: 1s}
--- file handlers/wait.sh
#!/bin/sh
trap 'echo told to stop' TERM
true &
wait
grep SigBlk /proc/self/status
--- file requests/a.yml
kind: wait
--- run
dispatch run
--- content logs/a/status.yml outcome
outcome: succeeded
--- content logs/a/handler.log
SigBlk:	0000000000000000
