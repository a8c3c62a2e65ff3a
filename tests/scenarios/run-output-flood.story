A flood of output is cut to the cap with its head and its tail, and what was dropped is counted.
--- file handlers/index.yml
flood: {run: handlers/flood.sh, sandbox: {output: 16KiB}}
--- file handlers/flood.sh
#!/bin/sh
echo the-first-line
seq 1 200000
echo the-last-line
--- file requests/a.yml
kind: flood
--- run
dispatch run
origin cat-file -s HEAD:logs/a/handler.log > "$STORY/size"
test "$(cat "$STORY/size")" -lt 20000
! origin show HEAD:logs/a/status.yml | grep -Eq 'dropped: *0$'
--- content logs/a/status.yml status outcome
status: success
outcome: succeeded
--- content has logs/a/handler.log
the-first-line
the-last-line
