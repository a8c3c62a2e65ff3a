The same key with the same spec ends with the earlier outcome and is not run; with another spec it is rejected; a failure binds nothing.
--- file handlers/index.yml
release: handlers/release.sh
--- file handlers/release.sh
#!/bin/sh
echo "really ran"
grep -q 'fail: true' "$1" && exit 1
exit 0
--- file requests/one.yml
kind: release
spec: {tag: v1}
idempotency_key: release-42
--- file requests/fails.yml
kind: release
spec: {fail: true}
idempotency_key: release-43
--- run
dispatch run
printf 'kind: release\nspec: {tag: v1}\nidempotency_key: release-42\n# again\n' > two.yml
printf 'kind: release\nspec: {tag: v2}\nidempotency_key: release-42\n' > three.yml
printf 'kind: release\nspec: {tag: v3}\nidempotency_key: release-43\n' > four.yml
mkdir -p requests; mv two.yml three.yml four.yml requests/
merge more
dispatch run
--- content logs/one/status.yml status outcome idempotency_key
status: success
outcome: succeeded
idempotency_key: release-42
--- content logs/two/status.yml status outcome idempotency_key replay_of
status: success
outcome: succeeded
idempotency_key: release-42
replay_of: [UUID]
--- content lacks logs/two/log.jsonl
really ran
--- content logs/three/status.yml status outcome exit_code
status: error
outcome: rejected
exit_code: 64
--- content logs/four/status.yml status outcome
status: success
outcome: succeeded
