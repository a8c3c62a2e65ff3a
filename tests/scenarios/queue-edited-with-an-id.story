A request with an id of its own that is edited before it started is still the same request: the id is not taken.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
cat
--- file requests/a.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
printf 'kind: greet\nid: 00000000-0000-4000-8000-00000000000a\n' > requests/a.yml
merge 'now, please'
dispatch run
--- content logs/a/status.yml outcome id
outcome: succeeded
id: 00000000-0000-4000-8000-00000000000a
--- tree requests processed
processed/a.yml
