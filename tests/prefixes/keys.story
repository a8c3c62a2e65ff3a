Requests of one idempotency key: the first runs, the same again is answered by it, another spec is refused, and a failure binds nothing.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
grep -q "fail: true" "$1" && exit 1
exit 0
--- file requests/a.yml
kind: once
spec: {tag: v1}
idempotency_key: release-42
--- file requests/b.yml
kind: once
spec: {tag: v1}
idempotency_key: release-42
# again
--- file requests/c.yml
kind: once
spec: {tag: v2}
idempotency_key: release-42
--- file requests/d.yml
kind: once
spec: {fail: true}
idempotency_key: release-43
--- file requests/e.yml
kind: once
spec: {tag: v3}
idempotency_key: release-43
--- run
dispatch run --jobs 1
