A request past its `expires`, or older than its kind allows, ends expired and is never run.
--- file handlers/index.yml
greet: handlers/greet.sh
old: {run: handlers/greet.sh, expires: 6h}
--- file handlers/greet.sh
#!/bin/sh
echo ran
--- file requests/a.yml
kind: greet
expires: 2026-01-03T00:00:00Z
--- file requests/b.yml
kind: old
--- run
dispatch run
--- content logs/a/status.yml status outcome
status: error
outcome: expired
--- content logs/b/status.yml status outcome
status: error
outcome: expired
--- tree requests processed
processed/a.yml
processed/b.yml
--- content lacks logs/a/log.jsonl
ran
