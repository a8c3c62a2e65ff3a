An action that the host file does not have, or not for this kind, is refused before anything runs, by `check` too, with the line to add and without the owner's command.
--- host
actions:
  reload: {run: [curl, token-of-the-owner], kinds: [other]}
--- file handlers/index.yml
absent: {run: handlers/any.sh, then: [purge]}
others: {run: handlers/any.sh, then: [reload]}
--- file handlers/any.sh
#!/bin/sh
echo really-ran
--- file requests/absent.yml
kind: absent
--- file requests/others.yml
kind: others
--- run 64
dispatch check requests/absent.yml requests/others.yml
--- stdout has
E0858
purge: {run: [/path/to/program], kinds: [absent]}
kinds: [other, others]
--- run
dispatch run
--- content logs/absent/status.yml outcome reason
outcome: rejected
reason: "not_granted: the kind `absent` may not have the action purge run after it; to allow it, write `purge: {run: [/path/to/program], kinds: [absent]}` below `actions:` in [STORY]/host.yaml"
--- content logs/others/status.yml outcome reason
outcome: rejected
reason: "not_granted: the kind `others` may not have the action reload run after it; to allow it, write `kinds: [other, others]` below `actions.reload:` in [STORY]/host.yaml"
--- content lacks logs/others/error.log
token-of-the-owner
--- content lacks logs/others/log.jsonl
really-ran
token-of-the-owner
