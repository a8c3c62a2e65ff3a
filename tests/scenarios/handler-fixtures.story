Fixtures hold a handler to what it did: one that differs is told as a patch and ends with 1, and `--update` writes down what differs.
--- remote none
--- file handlers/index.yml
put: {run: handlers/put.sh, sandbox: {read: [/srv/in], write: [/srv/out]}, secrets: [TOKEN]}
other: handlers/put.sh
--- file handlers/put.sh
#!/bin/sh
echo "at $(date -u +%Y-%m-%dT%H:%M:%SZ), attempt $DISPATCH_ATTEMPT"
cat /srv/in/name
cat "$DISPATCH_SECRETS/TOKEN" | wc -c
cp /srv/in/name /srv/out/copy && rm -f /srv/out/old
ln -s copy /srv/out/link
echo '{"n": 1}' > "$DISPATCH_RESULT"
echo done
--- file tests/handlers/put/first.yml
kind: put
--- run 1
dispatch handler test put
--- stdout has
put/first
nothing says what is expected of it: `dispatch handler test put --update` writes it down
1 without an expectation
--- run
cat > tests/handlers/put/first.expect.yml <<'END'
# What stands there before.
given:
  attempt: 2
  secrets: {TOKEN: twelve-bytes}
  files:
    /srv/in/name: "Ada\n"
    /srv/out/old: ""
# And what comes of it.
outcome: failed
output: []
files:
  /srv/out: {folder: []}
  /srv/out/link: [Eve]
  /srv/out/old: absent
END
dispatch handler test put --update
cat tests/handlers/put/first.expect.yml
--- stdout has
put/first
# What stands there before.
given:
  attempt: 2
# And what comes of it.
outcome: succeeded
output:
- "at …, attempt 2"
- Ada
- "12"
files:
  "/srv/out":
    folder:
    - copy
    - link
  "/srv/out/link":
  - Ada
  "/srv/out/old": absent
--- run
dispatch handler test --all
--- stdout has
put/first
1 as expected
no fixture: other
--- run 1
sed -i 's/echo done/echo dnoe; exit 3/' handlers/put.sh
dispatch handler test put
--- stdout has
put/first
tests/handlers/put/first.yml
  outcome
    - succeeded
    + failed
  output
    - done
    + dnoe
1 not as expected
--- run 1
dispatch handler test put --json > "$STORY/answer"
--- run
python3 - "$STORY/answer" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["v"] == 1 and answer["ok"] is False, answer
[fixture] = answer["fixtures"]
assert fixture["state"] == "differs" and fixture["differences"][0]["what"] == "outcome", answer
END
--- run 78
printf 'outcome: done\nouput: []\n' > tests/handlers/put/first.expect.yml
dispatch handler test put
--- stdout has
tests/handlers/put/first.expect.yml:1:10: error[E0953]
tests/handlers/put/first.expect.yml:2:1: error[E0952]: unknown key `ouput`
did you mean `output`?
--- run 1
printf 'outcome: succeeded\n' > tests/handlers/put/first.expect.yml
dispatch handler test put --level confined
--- stdout has
nothing can stand in for them at level `confined`
--- run 78
dispatch handler test other
--- stderr has
there are no fixtures in `tests/handlers/other/`
--- again off
