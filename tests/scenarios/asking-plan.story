`plan` shows what would run: handler, objects, limits, secrets, locks and who holds them, its place in the queue, and the line that the host file lacks; it changes nothing, and makes no state folder.
--- host
jobs: 2
levels: {none: [ship, hold]}
limits: {timeout: 20m}
secrets: {TOKEN: {file: [STORY]/token, kinds: [ship]}}
actions: {reload: {run: [/bin/true], kinds: [ship]}}
--- file handlers/index.yml
ship: {run: handlers/ship.sh, sandbox: {level: none}, resource: "host/{spec.host}", secrets: [TOKEN], then: [reload], timeout: 10m, delivery: at-least-once, expires: 6h}
hold: {run: handlers/ship.sh, sandbox: {level: none}, resource: host/web-01}
net: {run: handlers/ship.sh, sandbox: {network: true}}
bad: handlers/gone.sh
--- file handlers/ship.sh
#!/bin/sh
--- file schemas/ship.schema.json
{"type": "object", "required": ["host"], "properties": {"host": {"type": "string"}}}
--- file requests/first.yml
kind: hold
--- run
mkdir -p "$STORY/out"
printf 'kind: ship\nspec: {host: web-01}\ntimeout: 5m\n' > "$STORY/out/ship.yml"
dispatch plan "$STORY/out/ship.yml" | grep -v -e '^  level' -e '^  user'
test ! -e .git/dispatch
git status --short
--- stdout
ready  requests/ship.yml  ship
  handler   /bin/sh handlers/ship.sh ([SHORT])
  objects   commit [SHORT], request [SHORT], schema [SHORT], index [SHORT]
  id        from the commit that brings it
  network   none
  limits    timeout [DURATION], grace [DURATION], memory 512MiB, 256 processes, cpu [DURATION], tmp 64MiB, output 1MiB, artifacts 16MiB
  secret    TOKEN: MISSING: reading secret TOKEN `[STORY]/token`: No such file or directory (os error 2)
  lock      host/web-01: free
  delivery  at-least-once, 3 attempts, [DURATION] between them and at most [DURATION], on exit [75]
  expires   [DURATION] after its commit
  then      reload: /bin/true (at most [DURATION])
  record    logs/ship/
  queue     not on main; at its end, 1 request before it, 2 at once
            waits for first ([SHORT], pending)
--- run
(umask 077 && echo correct-horse-battery > "$STORY/token")
dispatch plan "$STORY/out/ship.yml" --json > "$STORY/plan.json"
python3 - "$STORY/plan.json" <<'END'
import json, sys
text = open(sys.argv[1]).read()
assert "correct-horse" not in text
plan = json.loads(text)
run = plan["run"]
assert plan["v"] == 1 and plan["verdict"] == "ready" and not plan["on_main"] and plan["id"] is None, plan
assert run["limits"]["timeout"] == "5m" and run["limits"]["grace"] == "10s", run
assert run["secrets"] == [{"name": "TOKEN", "there": True, "fault": None}], run
assert run["locks"] == [{"key": "host/web-01", "held_by": None}], run
assert [other["name"] for other in plan["queue"]["waits_for"]] == ["first"], plan
END
dispatch plan requests/first.yml | grep -e '^ready' -e queue -e ' id '
--- stdout
ready  requests/first.yml  hold
  id        [UUID]
  queue     on main, 0 requests before it, 2 at once
--- run 64
printf 'kind: net\n' > "$STORY/out/net.yml"
dispatch plan "$STORY/out/net.yml"
--- stdout has
rejected  requests/net.yml  net  not_granted
write `network: [net]` in
--- run 64
printf 'kind: ship\nspec: {hoost: web-01}\n' | dispatch plan -
--- stdout has
rejected  requests/request.yml  ship  invalid_spec
--- run 78
printf 'kind: bad\n' | dispatch plan -
--- stdout has
held  requests/request.yml  bad
handlers/gone.sh
--- run 78
dispatch run
--- again 78
