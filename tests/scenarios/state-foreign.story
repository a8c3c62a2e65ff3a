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
dispatch
dispatch --selftest | grep '^FAILED' || true
# Who watches is told once, and what to do.
dispatch watch --interval 1s 2> "$STORY/said" & watching=$!
looked() { stat -c %y .git/dispatch/status.json; }
until grep -q 'then `dispatch adopt`' "$STORY/said"; do kill -0 "$watching"; sleep 0.02; done
for look in 1 2 3; do
    last=$(looked)
    until [ "$(looked)" != "$last" ]; do kill -0 "$watching"; sleep 0.02; done
done
kill "$watching"
wait "$watching"
echo "said $(grep -c 'another dispatcher (state' "$STORY/said") time"
--- stdout has
another dispatcher (state [UUID]) records in this repository, or this one did before its state folder was lost; at-most-once requests wait
next:
  dispatch adopt --dry-run
FAILED   history
dispatch adopt
said 1 time
--- run
cd "$STORY/second"
dispatch adopt --dry-run
dispatch adopt
dispatch | grep -c 'another dispatcher' || true
--- stdout has
would adopt the records of state [UUID]
these at-most-once requests may have been started and would end `indeterminate`:
  requests/b.yml  once
adopted the records of state [UUID]
these at-most-once requests may have been started; the next pass ends them `indeterminate`:
  requests/b.yml  once
0
--- run
printf 'kind: once\n# third\n' > requests/d.yml
git pull -q origin main
merge third
cd "$STORY/second"
dispatch run
dispatch why b
--- stdout has
b is indeterminate: state_lost: another dispatcher, or this one before its state folder was lost, may have started it
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
