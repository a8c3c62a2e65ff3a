A handler that a signal ends is recorded as failed with the signal's name or number.
--- file handlers/index.yml
die: handlers/die.sh
--- file handlers/die.sh
kill -KILL $$
--- file requests/a.yml
kind: die
--- run
dispatch run
--- content has logs/a/status.yml
status: failure
signal:
