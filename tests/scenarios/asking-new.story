`new` writes a request to fill in, from the kind's schema; it never writes over a file; filled in, `check` accepts it and `submit` takes it from the work tree onto main.
--- file handlers/index.yml
ship: {run: handlers/ship.sh, description: Ships it., timeout: 5m}
--- file handlers/ship.sh
#!/bin/sh
--- file schemas/ship.schema.json
{"type": "object", "additionalProperties": false, "required": ["to", "mode"], "properties": {
"to": {"type": "object", "required": ["host"], "properties": {"host": {"type": "string", "description": "name of the machine"}, "port": {"type": "integer", "default": 22}}},
"mode": {"enum": ["fast", "safe"]}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
"$defs": {"tag": {"type": "string", "pattern": "^[a-z]+$"}}}
--- run
dispatch new ship --name team/first 2>/dev/null
cat requests/team/first.yml
--- stdout
requests/team/first.yml
# yaml-language-server: $schema=../../.git/dispatch-requests.schema.json
# Ships it.
# dispatch check requests/team/first.yml       says whether it would run
# dispatch submit requests/team/first.yml      puts it on main; or commit it, and have it merged
kind: ship
id: [UUID]

spec:
  # a mapping
  to:
    # name of the machine – text
    host: # fill this in
    # a whole number; default 22
    #port: [PORT]
  # one of fast, safe
  mode: # fill this in
  # a list, each text, matches ^[a-z]+$
  #tags: # fill this in

# All of these may be left out:
#timeout: [DURATION]                             # may only lower the kind's ([DURATION])
#not_before: [TIME]        # it does not start earlier; with an offset
#expires: [TIME]           # past it, it ends `expired` and never runs
#idempotency_key: release-42             # at most one success of this kind with this key
#resource: host/web-01                   # a lock that it takes besides the kind's own
#target: {node: web-1}                   # only the dispatcher of that node; or {labels: {zone: eu}}
--- run 73
dispatch new ship --name team/first 2>&1
--- stdout has
is there already: nothing was written
--- run 64
dispatch check requests/team/first.yml
--- stdout has
requests/team/first.yml  ship  invalid_spec
E0401
E0404
--- run 64
dispatch new shop 2>&1
--- stdout has
there is no kind `shop`
did you mean `ship`?
--- run
sed -i -e 's/host: #.*/host: web-01/' -e 's/mode: #.*/mode: safe/' -e 's/#port: 22/port: 2222/' requests/team/first.yml
dispatch check requests/team/first.yml
python3 - .git/dispatch-requests.schema.json <<'END'
import json, sys
kinds = json.load(open(sys.argv[1]))["properties"]["kind"]["enum"]
assert kinds[0] == "ship", kinds
END
dispatch submit requests/team/first.yml > "$STORY/id" 2> "$STORY/told"
grep -q "^id: $(cat "$STORY/id")$" requests/team/first.yml
cat "$STORY/told"
git status --short
dispatch new ship -s mode=fast -s to.host=db --timeout 1m --print | grep -e '^timeout' -e 'host:' -e 'mode:'
--- stdout
ok        requests/team/first.yml  ship
checked 1 request: 1 ok
requests/team/first.yml is on main (commit [SHORT])
    host: db
  mode: fast
timeout: "[DURATION]"
--- run 64
dispatch submit requests/team/first.yml 2>&1
--- stdout has
`requests/team/first.yml` is on main already
--- run
dispatch run
--- tree processed
processed/team/first.yml
--- history
executor: [UUID] rc=0
request: ship (team/first)
start
