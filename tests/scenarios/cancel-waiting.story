A request that waits is cancelled on the host, where no dispatcher works now: the next pass obeys before anything else, and both are on the record. What has ended, and what is not there, cannot be cancelled.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo really-ran
--- file requests/first.yml
kind: greet
--- run
dispatch run
mkdir -p requests
printf 'kind: greet\nspec: {n: 1}\n' > requests/a.yml
printf 'kind: greet\nspec: {n: 2}\n' > requests/b.yml
merge two
dispatch cancel a -m 'the wrong one'
dispatch run
dispatch cancel a || echo "again $?"
dispatch cancel first || echo "ended $?"
dispatch cancel nowhere || echo "unknown $?"
dispatch status a
--- stdout has
`a` (pending) shall end: no dispatcher works here now, and the next pass obeys before anything else
again 64
ended 64
unknown 1
cancelled: greet `a`
cancelled: the wrong one
--- stderr has
1 succeeded
`a` cannot be cancelled: it ended cancelled
what has ended is not undone
--- content logs/a/status.yml status outcome reason attempts cancelled_by
status: error
outcome: cancelled
reason: "cancelled: the wrong one"
cancelled_by: [UUID]
--- content logs/b/status.yml outcome
outcome: succeeded
--- run
place=$(origin ls-tree -r --name-only HEAD logs | grep 'cancel-.*/status.yml')
origin show "HEAD:$place" | grep -e ^kind -e ^outcome -e ^exit_code -e ^reason -e done: -e "^  outcome" | tr -d '"'
origin show "HEAD:$place" | grep -c handed-in@
origin ls-tree -r --name-only HEAD processed requests
test ! -e .git/dispatch/handed-in/000001.json
--- stdout
outcome: succeeded
kind: dispatch.cancel
exit_code: 0
reason: [UUID] was cancelled before it was started
  done: unstarted
  outcome: cancelled
1
processed/a.yml
processed/b.yml
processed/cancel-[SHORT].yml
processed/first.yml
