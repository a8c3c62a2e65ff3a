`check` tells programs what it found in the form that each of them takes, with the exit code that people get, and judges what is staged.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file schemas/deploy.schema.json
{"type": "object", "additionalProperties": false, "properties": {"target": {"type": "string"}}}
--- file requests/right.yml
kind: deploy
spec: {target: web-1}
--- run
dispatch check --format github
--- stdout
--- run 64
printf 'kind: deploy\nspec: {tarqet: web-1}\n' > requests/wrong.yml
echo hello > requests/README
dispatch check
--- stdout
ok        requests/right.yml  deploy
rejected  requests/wrong.yml  deploy  invalid_spec
requests/wrong.yml:2:8: error[E0403]: unknown property `tarqet` in `spec`
  |
2 | spec: {tarqet: web-1}
  |        ^^^^^^
  = expected: one of `target`
  = help: did you mean `target`?
warning: requests/README: is left alone: a request ends in .yml or .yaml and lies at most one folder down
checked 2 requests: 1 ok, 1 rejected

`dispatch explain E0403` tells more
--- run 64
dispatch check --format github
--- stdout
::error file=requests/wrong.yml,line=2,col=8,endColumn=13,title=E0403%3A a property that there is not::unknown property `tarqet` in `spec`%0Aexpected: one of `target`%0Ahelp: did you mean `target`?
::warning file=requests/README,line=1,col=1,endColumn=1,title=E0005%3A a file that is left alone::is left alone: a request ends in .yml or .yaml and lies at most one folder down
--- stderr
checked 2 requests: 1 ok, 1 rejected
--- run 64
dispatch check --format gitlab > "$STORY/quality"
--- run 64
dispatch check --format sarif > "$STORY/sarif"
--- run
python3 - "$STORY/quality" "$STORY/sarif" <<'END'
import json, sys
quality, sarif = (json.load(open(path)) for path in sys.argv[1:])
print([(issue["check_name"], issue["severity"], issue["location"]) for issue in quality])
run = sarif["runs"][0]
print(sarif["version"], [rule["id"] for rule in run["tool"]["driver"]["rules"]], run["results"][0]["locations"])
END
--- stdout
[('E0403', 'critical', {'path': 'requests/wrong.yml', 'lines': {'begin': 2}}), ('E0005', 'minor', {'path': 'requests/README', 'lines': {'begin': 1}})]
2.1.0 ['E0403', 'E0005'] [{'physicalLocation': {'artifactLocation': {'uri': 'requests/wrong.yml', 'uriBaseId': 'SRCROOT'}, 'region': {'startLine': 2, 'startColumn': 8, 'endLine': 2, 'endColumn': 14}}, 'logicalLocations': [{'fullyQualifiedName': '/spec/tarqet', 'kind': 'value'}]}]
--- run
# What is staged is judged, and not the work tree.
git add requests/right.yml
dispatch check --staged
--- stdout
ok        requests/right.yml  deploy
checked 1 request: 1 ok
--- run 64
git add requests/wrong.yml
printf 'kind: deploy\nspec: {target: web-2}\n' > requests/wrong.yml
dispatch check
dispatch check --staged --json
--- stdout has
checked 2 requests: 2 ok
"ok": false
E0403
--- run 2
dispatch check --staged requests/right.yml
--- run 78
printf 'kind: deploy\nspec: {target: web-3}\n' > requests/right.yml
git commit -qam ours
git checkout -q -b theirs HEAD~1
printf 'kind: deploy\nspec: {target: web-4}\n' > requests/right.yml
git commit -qam theirs
git merge main > "$STORY/merge" || true
dispatch check --staged
--- stderr has
the index has a conflict in `requests/right.yml`
--- again off
