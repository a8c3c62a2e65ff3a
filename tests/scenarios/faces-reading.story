The reading verbs find a record by its id, in words and as JSON, data on stdout and colour nowhere.
--- file handlers/index.yml
greet:
  run: handlers/greet.sh
  description: Say hello
--- file handlers/greet.sh
#!/bin/sh
echo hello from the handler
--- file requests/done.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
--- file requests/waits.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000b
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
dispatch list 2>/dev/null
--- stdout has
done
--- run
dispatch list 2>/dev/null
--- stdout has
waits
--- run
dispatch status 00000000-0000-4000-8000-00000000000a 2>/dev/null
--- stdout has
succeeded
--- run
dispatch logs 00000000-0000-4000-8000-00000000000a 2>/dev/null
--- stdout has
hello from the handler
--- run
dispatch why 00000000-0000-4000-8000-00000000000b 2>/dev/null
--- stdout has
2999-01-01
--- run
dispatch kinds 2>/dev/null
--- stdout has
greet
--- run
for verb in "list" "status 00000000-0000-4000-8000-00000000000a" "why 00000000-0000-4000-8000-00000000000b" "kinds"; do
    dispatch $verb --json 2>/dev/null | python3 -c 'import json, sys; json.load(sys.stdin)'
    dispatch $verb --json 2>/dev/null | grep -q "$(printf '\033')" && echo "colour in $verb"
done
echo read
--- stdout has
read
--- stdout lacks
colour in
