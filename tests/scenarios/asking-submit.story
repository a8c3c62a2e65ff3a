`submit` takes values by the schema's types, commits and pushes the request, and prints its id; files go together in one commit, and what a file lacks is an id.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
cat "$1"
--- file schemas/greet.schema.json
{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
"name": {"type": "string"}, "times": {"type": "integer", "maximum": 9}, "loud": {"type": "boolean"},
"also": {"type": "array", "items": {"type": "string"}}, "how": {"type": "object", "properties": {"slowly": {"type": "number"}}}}}
--- run
id=$(dispatch submit greet -s name=7 -s times=2 -s loud=true -s also=a -s also=b -s how.slowly=0.5 --timeout 5m --name team/hello -m 'greet them all' 2> "$STORY/told")
cat "$STORY/told" requests/team/hello.yml
origin log -1 --format=%s
grep -q "^id: $id$" requests/team/hello.yml
--- stdout
requests/team/hello.yml is on main (commit [SHORT])
kind: greet
id: [UUID]
spec:
  name: "7"
  times: 2
  loud: true
  also:
  - a
  - b
  how:
    slowly: 0.5
timeout: "[DURATION]"
greet them all
--- run
printf '{"name": "Ada"}' | dispatch submit greet --spec - -s times=3 --json > "$STORY/answer"
printf '# plain\nkind: greet\nspec: {name: Bob}\n' > "$STORY/bob.yml"
printf 'kind: greet\nspec: {name: Eve}\n' > requests/eve.yml
dispatch submit "$STORY/bob.yml" requests/eve.yml 2>/dev/null | wc -l
cat requests/bob.yml requests/eve.yml
origin show --format=%s --name-status
git status --short
python3 - "$STORY/answer" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
one = answer["requests"][0]
assert answer["v"] == 1 and answer["on_main"] and one["kind"] == "greet" and one["path"] == "requests/%s.yml" % one["name"], answer
END
--- stdout
2
# plain
kind: greet
spec: {name: Bob}
id: [UUID]
kind: greet
spec: {name: Eve}
id: [UUID]
request: 2 requests

A	requests/bob.yml
A	requests/eve.yml
--- run
dispatch run
dispatch status team/hello --exit-code >/dev/null
--- content has logs/team/hello/handler.log
times: 2
--- again 0
