Unknown top-level keys and values of the wrong form are rejected by name and place; a request without a kind too.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/key.yml
kind: deploy
tiemout: 5m
--- file requests/id.yml
kind: deploy
id: not-a-uuid
--- file requests/duration.yml
kind: deploy
timeout: 5 minutes
--- file requests/time.yml
kind: deploy
expires: 2026-11-22T08:00:00
--- file requests/kindless.yml
spec: {}
--- file requests/list.yml
- kind: deploy
--- file requests/kind.yml
kind: ../../etc
--- file requests/spec.yml
kind: deploy
spec: [1, 2]
--- run
dispatch run
for name in key id duration time kindless list kind spec; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
done
--- stdout lacks
was not rejected
--- content has logs/key/error.log
requests/key.yml:2:1
did you mean `timeout`?
--- content has logs/id/error.log
requests/id.yml:2:5
--- content has logs/duration/error.log
requests/duration.yml:2:10
--- content has logs/time/error.log
requests/time.yml:2:10
--- content has logs/kindless/error.log
kind
--- content has logs/kind/error.log
requests/kind.yml:1:7
--- tree requests
