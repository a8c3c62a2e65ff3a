A schema that does not compile, looks around or refers elsewhere holds its kind, by name and place, for `run` and `check` alike; a wide one works.
--- file handlers/index.yml
broken: handlers/ok.sh
around: handlers/ok.sh
remote: handlers/ok.sh
type: handlers/ok.sh
wide: handlers/ok.sh
--- file handlers/ok.sh
#!/bin/sh
--- file schemas/broken.schema.json
{"type": "object",
--- file schemas/around.schema.json
{"type": "object", "properties": {"name": {"type": "string", "pattern": "^(?!root)[a-z]+$"}}}
--- file schemas/remote.schema.json
{"type": "object", "properties": {"a": {"$ref": "https://schemas.example.com/a.json"}}}
--- file schemas/type.schema.json
{"type": "objekt"}
--- file schemas/wide.schema.json
{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object",
 "definitions": {"port": {"type": "integer", "minimum": 0, "exclusiveMinimum": true},
                 "deep": {"type": "object", "properties": {"next": {"$ref": "#/definitions/deep"}, "port": {"$ref": "#/definitions/port"}}}},
 "properties": {"tree": {"$ref": "#/definitions/deep"}, "when": {"type": "string", "format": "date-time"}}}
--- file requests/broken.yml
kind: broken
--- file requests/around.yml
kind: around
--- file requests/remote.yml
kind: remote
--- file requests/type.yml
kind: type
--- file requests/wide.yml
kind: wide
spec: {tree: {next: {next: {port: 80}}}, when: "2026-01-02T03:04:05Z"}
--- file requests/wide-wrong.yml
kind: wide
spec: {tree: {next: {next: {port: 0}}}}
--- file requests/wide-format.yml
kind: wide
spec: {when: yesterday}
--- run 78
dispatch run
--- stderr has
schemas/broken.schema.json
--- stderr has
schemas/around.schema.json
--- stderr has
schemas/remote.schema.json
--- stderr has
schemas/type.schema.json
--- tree requests processed
processed/wide-format.yml
processed/wide-wrong.yml
processed/wide.yml
requests/around.yml
requests/broken.yml
requests/remote.yml
requests/type.yml
--- content logs/wide/status.yml outcome
outcome: succeeded
--- content logs/wide-wrong/status.yml outcome
outcome: rejected
--- content logs/wide-format/status.yml outcome
outcome: rejected
--- run 78
dispatch check 2>&1
--- stdout has
schemas/around.schema.json
--- again 78
