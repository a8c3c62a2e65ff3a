Before `adopt`, a request that another dispatcher may have started is settled alone: ended by a person's word without a start, or let go because it is to be done.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
echo really-ran
--- file requests/first.yml
kind: once
--- run
dispatch run
mkdir -p requests
printf 'kind: once\nspec: {n: 1}\nidempotency_key: k\n' > requests/a.yml
printf 'kind: once\nspec: {n: 2}\n' > requests/b.yml
printf 'kind: once\nspec: {n: 3}\n' > requests/c.yml
printf 'kind: once\nspec: {n: 4}\n' > requests/d.yml
merge four
rm -rf .git/dispatch
dispatch run || echo "first $?"
dispatch resolve a --succeeded -m 'it is there' >/dev/null
dispatch resolve b --failed >/dev/null
dispatch resolve c --rerun >/dev/null
dispatch run || echo "second $?"
dispatch status a
--- stdout has
first 75
second 75
succeeded: once `a`
resolved
resolved by
--- content logs/a/status.yml status outcome exit_code reason idempotency_key attempts
status: success
outcome: succeeded
exit_code: 0
reason: resolved
idempotency_key: k
--- content lacks logs/a/log.jsonl
really-ran
--- content logs/b/status.yml status outcome reason attempts
status: failure
outcome: failed
reason: resolved
--- content logs/c/status.yml outcome reason
outcome: succeeded
--- content has logs/c/handler.log
really-ran
--- tree requests
requests/d.yml
--- run
dispatch adopt
git pull -q origin main 2>/dev/null || true
mkdir -p requests
printf 'kind: once\nspec: {n: 1}\nidempotency_key: k\n# again\n' > requests/e.yml
merge 'the same key'
dispatch run
dispatch status d
--- stdout has
indeterminate: once `d`
state_lost
--- content logs/e/status.yml outcome reason exit_code
outcome: succeeded
exit_code: 0
reason: replay
--- content logs/d/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- tree requests
