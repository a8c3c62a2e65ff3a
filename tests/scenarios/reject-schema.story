A spec that its schema refuses is rejected with the place, a caret, what was expected and the nearest known name.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file schemas/deploy.schema.json
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["target"],
  "additionalProperties": false,
  "properties": {
    "target": {"type": "string", "minLength": 1},
    "keep": {"type": "integer", "minimum": 1},
    "level": {"enum": ["fast", "safe"]}
  }
}
--- file requests/name.yml
kind: deploy
spec:
  target: web-1
  kepe: 3
--- file requests/type.yml
kind: deploy
spec:
  target: web-1
  keep: three
--- file requests/enum.yml
kind: deploy
spec: {target: web-1, level: saef}
--- file requests/missing.yml
kind: deploy
spec: {keep: 3}
--- file requests/right.yml
kind: deploy
spec: {target: web-1, keep: 3, level: safe}
--- run
dispatch run
--- content has logs/name/error.log
requests/name.yml:4:3
kepe
^
did you mean `keep`?
--- content has logs/type/error.log
requests/type.yml:4:9
integer
--- content has logs/enum/error.log
requests/enum.yml:2:30
did you mean `safe`?
--- content has logs/missing/error.log
target
--- content logs/name/status.yml status outcome exit_code
status: error
outcome: rejected
exit_code: 64
--- content logs/right/status.yml outcome
outcome: succeeded
