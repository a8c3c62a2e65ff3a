A record of another dispatcher on main holds at-most-once work with 75 until a person adopts: two hosts on one repository are never silent. What stood in the inbox then may have been started by the other, and ends `indeterminate`.
--- file handlers/index.yml
once: handlers/once.sh
often: {run: handlers/once.sh, delivery: at-least-once}
--- file handlers/once.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: once
--- run
dispatch run
mkdir -p requests
printf 'kind: once\n# second\n' > requests/b.yml
printf 'kind: often\n' > requests/c.yml
printf 'kind: once\nnot_before: 2999-01-01T00:00:00Z\n' > requests/later.yml
merge second
--- run 75
git clone -q "$STORY/origin.git" "$STORY/second"
cd "$STORY/second"
dispatch run
--- stderr has
dispatch adopt
--- tree requests
requests/b.yml
requests/later.yml
--- run
cd "$STORY/second"
dispatch why b
--- stdout has
b is held: another dispatcher records in this repository
dispatch adopt
dispatch resolve
--- run
cd "$STORY/second"
dispatch adopt --dry-run
dispatch adopt
--- stdout has
would adopt the records of state [UUID]
these at-most-once requests may have been started and would end `indeterminate`:
  requests/b.yml  once
adopted the records of state [UUID]
these at-most-once requests may have been started; the next pass ends them `indeterminate`:
  requests/b.yml  once
--- run
printf 'kind: once\n# third\n' > requests/d.yml
git pull -q origin main
merge third
cd "$STORY/second"
dispatch run
--- content logs/b/status.yml status outcome reason attempts
status: error
outcome: indeterminate
reason: state_lost
--- content lacks logs/b/log.jsonl
really-ran
--- content has logs/b/dispatch.log
dispatch resolve
--- content logs/c/status.yml outcome
outcome: succeeded
--- content logs/d/status.yml outcome
outcome: succeeded
--- tree requests
requests/later.yml
--- again off
