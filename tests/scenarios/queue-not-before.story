A request that is not yet due stays in the inbox, others pass it, and `why` says what it waits for.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/later.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
not_before: 2999-01-01T00:00:00Z
--- file requests/now.yml
kind: greet
--- run
dispatch run
--- tree requests processed
processed/now.yml
requests/later.yml
--- run
dispatch why 00000000-0000-4000-8000-00000000000a 2>&1
--- stdout has
2999-01-01
