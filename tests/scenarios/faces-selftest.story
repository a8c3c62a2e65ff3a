`--selftest` probes the machine by real runs, ends with its verdict as the last line, and leaves the queue alone.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch --selftest > "$STORY/table"
tail -n 1 "$STORY/table"
dispatch --self-test | tail -n 1
--- stdout
Dispatcher OK
Dispatcher OK
--- tree requests processed
requests/a.yml
--- run
dispatch run
