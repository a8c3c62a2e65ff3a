`schema` prints one JSON Schema over requests of all kinds, and says whether a file of it is up to date; `new` names the one that the repository keeps.
--- file handlers/index.yml
greet: {run: handlers/greet.sh, description: Says hello.}
free: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file schemas/greet.schema.json
{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {"name": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"type": "string"}}}
--- run
dispatch schema greet
dispatch schema -o schemas/dispatch/requests.schema.json
dispatch schema --check schemas/dispatch/requests.schema.json
dispatch schema | cmp - schemas/dispatch/requests.schema.json
dispatch new greet --name team/a --print | head -1
dispatch new greet --name a --print | head -1
--- stdout
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "request",
  "description": "A file in the inbox. Written by `dispatch schema`.",
  "type": "object",
  "properties": {
    "kind": {
      "description": "what is to be done",
      "type": "string",
      "enum": [
        "greet"
      ],
      "enumDescriptions": [
        "Says hello."
      ]
    },
    "spec": {
      "description": "with what, by the kind's own schema",
      "type": [
        "object",
        "null"
      ]
    },
    "id": {
      "description": "without one: UUID v5 of introducing commit, path and blob",
      "type": "string",
      "format": "uuid"
    },
    "resource": {
      "description": "a lock taken besides the kind's own; it can add a lock, never escape one",
      "type": "string",
      "minLength": 1,
      "maxLength": 200,
      "examples": [
        "host/web-01"
      ]
    },
    "timeout": {
      "description": "may only lower the handler's",
      "$ref": "#/$defs/duration"
    },
    "not_before": {
      "description": "not started earlier; with an offset",
      "type": "string",
      "format": "date-time",
      "examples": [
        "[TIME]"
      ]
    },
    "expires": {
      "description": "past it the request ends `expired` and is never run; with an offset",
      "type": "string",
      "format": "date-time"
    },
    "idempotency_key": {
      "description": "per kind: while an earlier request with this key is unfinished this one waits; where the earlier one succeeded this one ends with its outcome and `replay_of`",
      "type": "string",
      "minLength": 1
    },
    "target": {
      "type": "object",
      "description": "whose it is: the dispatcher of this node, or of a node with all of these labels; without it anybody's",
      "properties": {
        "node": {
          "description": "`node` in the host file",
          "type": "string",
          "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
        },
        "labels": {
          "description": "`labels` in the host file",
          "type": "object",
          "additionalProperties": {
            "type": "string",
            "minLength": 1,
            "maxLength": 64
          }
        }
      },
      "additionalProperties": false,
      "anyOf": [
        {
          "required": [
            "node"
          ]
        },
        {
          "properties": {
            "labels": {
              "minProperties": 1
            }
          },
          "required": [
            "labels"
          ]
        }
      ]
    },
    "rerun_of": {
      "description": "the request that this one repeats; written by `dispatch rerun` and `dispatch resolve --rerun`",
      "type": "string",
      "format": "uuid"
    }
  },
  "required": [
    "kind"
  ],
  "additionalProperties": false,
  "allOf": [
    {
      "if": {
        "properties": {
          "kind": {
            "const": "greet"
          }
        },
        "required": [
          "kind"
        ]
      },
      "then": {
        "properties": {
          "spec": {
            "$ref": "#/$defs/spec:greet"
          }
        },
        "required": [
          "spec"
        ]
      }
    }
  ],
  "$defs": {
    "duration": {
      "description": "a span of time: whole numbers with d, h, m, s, ms, from long to short, each once; at most [DURATION]",
      "type": "string",
      "minLength": 2,
      "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
      "examples": [
        "[DURATION]",
        "[DURATION]",
        "[DURATION]",
        "[DURATION]",
        "[DURATION]"
      ]
    },
    "spec:greet": {
      "type": "object",
      "additionalProperties": false,
      "required": [
        "name"
      ],
      "properties": {
        "name": {
          "$ref": "#/$defs/spec:greet/$defs/name"
        }
      },
      "$defs": {
        "name": {
          "type": "string"
        }
      }
    }
  }
}
schemas/dispatch/requests.schema.json
# yaml-language-server: $schema=../../schemas/dispatch/requests.schema.json
# yaml-language-server: $schema=../schemas/dispatch/requests.schema.json
--- run 1
sed -i 's/"name"\]/"name", "title"]/' schemas/greet.schema.json
dispatch schema --check schemas/dispatch/requests.schema.json
--- stderr has
is not up to date
dispatch schema -o schemas/dispatch/requests.schema.json
--- run 64
dispatch schema gret
--- stderr has
did you mean `greet`?
