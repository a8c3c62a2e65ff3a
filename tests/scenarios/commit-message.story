Each record stands in its commit's message with trailers that programs can read; a batch has a line for each.
--- file handlers/index.yml
greet: handlers/greet.sh
fail: handlers/fail.sh
--- file handlers/greet.sh
#!/bin/sh
--- file handlers/fail.sh
#!/bin/sh
exit 7
--- file requests/first.yml
kind: greet
--- run
dispatch run
--- history full
Story Teller <story@example.com>
executor: [UUID] rc=0

Dispatch-Id: [UUID]
Dispatch-Outcome: succeeded
Dispatch-State: [UUID]

Ann Author <ann@example.com>
start
--- run
mkdir -p requests
for name in a b c; do printf 'kind: greet\nspec: {name: %s}\n' $name > requests/$name.yml; done
printf 'kind: fail\n' > requests/d.yml
merge batch
dispatch run
origin log --format=%B | grep -c '^Dispatch-Id: '
origin log --format=%B | grep -c '^Dispatch-Outcome: failed'
origin log --format=%s | grep -vE '^(executor: ([0-9a-f-]{36} rc=[0-9]+|[0-9]+ requests)|start|batch)$' || echo "every subject is of the two forms"
--- stdout
5
1
every subject is of the two forms
