`submit` pushes nothing that the dispatcher would refuse or hold: it says what is wrong, what is missing and what to type; without a terminal it never asks.
--- file handlers/index.yml
greet: {run: handlers/greet.sh}
secret: {run: handlers/greet.sh, secrets: [TOKEN]}
broken: handlers/gone.sh
--- file handlers/greet.sh
#!/bin/sh
--- file schemas/greet.schema.json
{"type": "object", "additionalProperties": false, "required": ["name", "mode"], "properties": {
"name": {"type": "string", "description": "who to greet"}, "mode": {"enum": ["soft", "loud"]}, "times": {"type": "integer", "maximum": 9}}}
--- run 64
dispatch submit greet -s times=2 2>&1 </dev/null
--- stdout
error: `greet` lacks 2 values:
  name  text: who to greet
  mode  one of soft, loud
hint: dispatch submit greet -s times=2 -s 'name=…' -s 'mode=…'
--- run 64
dispatch submit greet -s name=a -s mode=lout 2>&1
--- stdout has
`mode` is one of soft, loud, and `lout` is not: did you mean `loud`?
--- run 64
dispatch submit greet -s name=a -s mode=loud -s times=10 -s tims=1 2>&1
--- stdout has
E0407
E0403]: unknown property `tims`
hint: nothing was pushed
--- run 64
dispatch submit greet -s name=a -s mode=loud --timeout soon 2>&1
--- stdout has
`timeout`: `soon` does not begin with a number
--- run 64
printf 'kind: greet\nspec: {name: a, mode: soft}\n' > right.yml
printf 'kind: greet\nspec: {name: 7, mode: soft}\n' > wrong.yml
dispatch submit right.yml wrong.yml 2>&1
--- stdout has
wrong.yml:2
--- run 64
dispatch submit greet right.yml -s name=a 2>&1 || dispatch submit right.yml -s name=a 2>&1
--- stdout has
`right.yml` is a file, which says itself what it asks for
--- run 78
dispatch submit broken 2>&1
--- stdout has
handlers/gone.sh
--- run 64
dispatch submit greet -s name=a -s mode=loud --name 'a b' 2>&1
--- stdout has
E0010
--- run 64
dispatch submit secret 2>&1
--- stdout has
may not have the secret TOKEN
hint: nothing was pushed
--- history
start
--- run
env -u DISPATCH_HOST dispatch submit secret --name elsewhere 2>&1 >/dev/null
--- stdout
 WARN the kind `secret` may not have the secret TOKEN: the machine that runs it decides by its own host file
requests/elsewhere.yml is on main (commit [SHORT])
--- run 78
dispatch run
--- content logs/elsewhere/status.yml outcome reason
outcome: rejected
reason: "not_granted: the kind `secret` may not have the secret TOKEN; to allow it, write `secrets: {TOKEN: {file: /etc/dispatch/secrets/TOKEN, kinds: [secret]}}` in [STORY]/host.yaml"
--- again 78
