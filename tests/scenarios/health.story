`health` says what has stalled, each apart: the heartbeat, fetching, running and publishing; a pause is said and is no failure.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 69
dispatch health
--- stdout
STATE   CHECK       WHAT WAS FOUND
FAILED  heartbeat   no dispatcher has worked on this state folder yet → see `systemctl status dispatch` or the container's log; `dispatch watch` starts it
FAILED  fetching    main was never read → try `git fetch` as the dispatcher's user; `dispatch` says what is in the way
ok      running     nothing runs
ok      publishing  no record waits for main
--- run
dispatch run
touch .git/dispatch/paused
dispatch health --max-age 1h
--- stdout has
STATE  CHECK       WHAT WAS FOUND
ok     heartbeat   the last sign of life was
ok     fetching    main was last read
ok     running     nothing runs
ok     publishing  no record waits for main
paused: nothing is started while `[STORY]/clone/.git/dispatch/paused` exists
--- run
rm .git/dispatch/paused
# With the state folder named there need be no repository.
cd /
for asked in "" --live --ready; do
    dispatch --state "$STORY/clone/.git/dispatch" health --max-age 1h $asked > "$STORY/said" || exit
    grep -c '^ok' "$STORY/said"
done
dispatch --state "$STORY/clone/.git/dispatch" health --max-age 0s --live || echo "stalled: $?"
dispatch health --max-age 1h || echo "nothing named: $?"
dispatch health --live --ready || echo "both: $?"
--- stdout has
4
1
2
stalled: 69
nothing named: 78
both: 2
--- run 69
# Main was last read long ago, and only that.
mv "$STORY/origin.git" "$STORY/away.git"
dispatch run || test $? = 69
sed -i 's/"fetched_at": "[^"]*"/"fetched_at": "2026-01-02T03:04:05.000Z"/' .git/dispatch/status.json
dispatch health --live --max-age 1h
dispatch health --max-age 1h
--- stdout has
ok     heartbeat
ok      heartbeat
FAILED  fetching    main was last read
2026-01-02T03:04:05.000Z: the remote
ok      running
ok      publishing
--- run 69
# A record that main does not take.
mv "$STORY/away.git" "$STORY/origin.git"
printf '#!/bin/sh\necho not today >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod +x "$STORY/origin.git/hooks/pre-receive"
printf 'kind: greet\n# second\n' > "$STORY/b.yml"
git pull -q
mkdir -p requests; cp "$STORY/b.yml" requests/b.yml
chmod -x "$STORY/origin.git/hooks/pre-receive"; merge second; chmod +x "$STORY/origin.git/hooks/pre-receive"
dispatch run || test $? = 75
dispatch health --max-age 1h --json | grep -c '"ok": false' | grep -q 1 || echo nothing is a failure yet
dispatch health --max-age 0s
--- stdout has
FAILED  publishing
requests/b.yml
--- run
chmod -x "$STORY/origin.git/hooks/pre-receive"
dispatch run
dispatch health --max-age 1h --json
--- stdout has
"v": 1
"healthy": true
"asked": "all"
"name": "publishing",
"ok": true,
