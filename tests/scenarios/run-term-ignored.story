A handler that ignores TERM is killed after its grace, and recorded as timed out.
--- file handlers/index.yml
stubborn: {run: handlers/stubborn.sh, timeout: 300ms, grace: 300ms}
--- file handlers/stubborn.sh
#!/bin/sh
trap '' TERM INT HUP
echo begun
while :; do sleep 1; done
--- file requests/a.yml
kind: stubborn
--- run
dispatch run
--- content logs/a/status.yml status outcome
status: failure
outcome: timed_out
