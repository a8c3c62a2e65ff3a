`check` gives the verdict of the dispatcher before the merge: for files, for a revision and for programs, with exit 64.
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
dispatch check
dispatch check requests/right.yml
dispatch check --rev HEAD
--- run 64
printf 'kind: deploy\nspec: {tarqet: web-1}\n' > requests/wrong.yml
dispatch check requests/wrong.yml 2>&1
--- stdout has
requests/wrong.yml:2:8
did you mean `target`?
--- run 64
dispatch check requests/right.yml requests/wrong.yml
--- run 64
git checkout -q -b proposal
git add -A
git commit -qm proposal
git checkout -q main
dispatch check --rev proposal
--- run 64
dispatch check --rev proposal --json > "$STORY/verdict"
--- run
python3 - "$STORY/verdict" <<'END'
import json, sys
text = open(sys.argv[1]).read()
json.loads(text)
for wanted in ('"requests/wrong.yml"', '"line"', '"code"'):
    assert wanted in text, text
END
dispatch check
--- history
start
--- run
dispatch run
--- tree requests processed
processed/right.yml
