Two hosts on one repository: each request is claimed by one of them, runs once, and its record takes claim and locks away.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
greet: {run: handlers/greet.sh, resource: "{spec.to}"}
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: greet
spec: {to: a}
--- file requests/b.yml
kind: greet
spec: {to: b}
--- file requests/bad.yml
kind: nothing
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch run) & other=$!
dispatch -q run
wait "$other"
dispatch -q run
origin log --format=%B | grep -c '^Dispatch-Id'
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks refs/dispatch/nodes refs/dispatch/probe
--- stdout
3
refs/dispatch/nodes/web-1
refs/dispatch/nodes/web-2
--- tree requests processed
processed/a.yml
processed/b.yml
processed/bad.yml
--- content logs/bad/status.yml outcome
outcome: rejected
--- content has logs/a/log.jsonl
"ev":"claimed","node":"web-
