On the host a pause holds a kind, a resource or everything at once, with its reason; who is held says so, others go on, and a restart forgets nothing. What is resumed starts.
--- file handlers/index.yml
greet: {run: handlers/greet.sh, resource: "host/{spec.host}"}
plain: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/first.yml
kind: plain
--- run
dispatch run
dispatch pause --kind greet -m 'release freeze'
dispatch pause --resource host/b
mkdir -p requests
printf 'kind: greet\nspec: {host: a}\n' > requests/a.yml
printf 'kind: plain\nspec: {n: 2}\nresource: host/b\n' > requests/b.yml
printf 'kind: plain\nspec: {n: 3}\n' > requests/c.yml
merge three
dispatch run
dispatch why a
dispatch why b
dispatch
dispatch list --pending
--- stdout has
the kind `greet` is paused: release freeze: no dispatcher works here now
the resource `host/b` is paused
a is held: the kind `greet` is paused by
release freeze
`dispatch resume --kind greet` lets it go on
b is held: the resource `host/b` is paused by
the kind `greet` is paused by
the resource `host/b` is paused by
held
held
--- stderr has
held
the kind `greet` is paused by
--- content logs/c/status.yml outcome
outcome: succeeded
--- tree requests
requests/a.yml
requests/b.yml
--- run
grep -c '"words": "the kind `greet` is paused' .git/dispatch/status.json
grep 'held_requests{by="pause"}' .git/dispatch/metrics/dispatch.prom
grep 'codex_dispatch_pauses ' .git/dispatch/metrics/dispatch.prom
dispatch resume || echo "nothing of that scope $?"
dispatch resume --kind greet -m 'it is out'
dispatch run
--- stdout has
1
codex_dispatch_held_requests{by="pause"} 2
codex_dispatch_pauses 2
nothing of that scope 64
the kind `greet` may start again
--- stderr has
everything is not paused
`dispatch resume --kind greet` ends that
--- content logs/a/status.yml outcome
outcome: succeeded
--- tree requests
requests/b.yml
--- run
dispatch resume --resource host/b > /dev/null
dispatch pause > /dev/null
dispatch run
dispatch list --pending
dispatch resume > /dev/null
dispatch run
origin ls-tree -r --name-only HEAD logs | grep -e pause -e resume | grep -c status.yml
--- stdout has
held
everything is paused by
6
--- tree requests
