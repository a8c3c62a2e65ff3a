`handler test` carries a request out as `run` would, by files that nobody has committed, and leaves nothing behind.
--- remote none
--- host
write: {put: [[STORY]/out]}
secrets: {TOKEN: {env: NO_SUCH_TOKEN, kinds: [knock]}}
--- file handlers/index.yml
look: handlers/look.sh
wait: {run: handlers/wait.sh, timeout: 200ms, grace: 100ms}
again: {run: handlers/again.sh, delivery: at-least-once, retry: {attempts: 4, backoff: 20s}}
put: {run: handlers/put.sh, sandbox: {write: [[STORY]/out]}}
knock: {run: handlers/knock.sh, secrets: [TOKEN], then: [], sandbox: {network: true}}
--- file handlers/look.sh
#!/bin/sh
echo committed
--- file handlers/wait.sh
#!/bin/sh
exec sleep 600
--- file handlers/again.sh
#!/bin/sh
exit 75
--- file handlers/put.sh
#!/bin/sh
echo here > [STORY]/out/file && ls [STORY]/out
--- file handlers/knock.sh
#!/bin/sh
wc -c < "$DISPATCH_SECRETS/TOKEN"
echo "the token is $(cat "$DISPATCH_SECRETS/TOKEN")"
--- file schemas/look.schema.json
{"type": "object", "additionalProperties": false, "properties": {"name": {"type": "string"}}}
--- file .gitignore
ignored
--- run
cat > handlers/look.sh <<'END'
#!/bin/sh
echo "arguments: $1 $2"
printf 'colour \033[0K\n'
cat
echo "ids: $DISPATCH_COMMIT $DISPATCH_ATTEMPT"
ls new ignored 2>&1
ls requests logs
echo '{"a": 1}' > "$DISPATCH_RESULT"
echo left > "$2/left.txt"
END
echo new > new
echo ignored > ignored
mkdir -p drafts
printf 'kind: look\nspec: {name: x}\n' > drafts/one.yml
dispatch handler test look drafts/one.yml
test -z "$(ls "$TMPDIR")"
test ! -e .git/dispatch
git status --porcelain
--- stdout has
  | arguments: requests/one.yml logs/one
  | colour \x1b[0K
"spec":{"name":"x"}
  | ids: [OID] 1
No such file or directory
  | new
  | logs:
  | one
  | requests:
  | one.yml
succeeded
  exit code  0
  sandbox    isolated (
  result     {"a":1}
  artifact   left.txt (5 bytes)
  not a run  it ran the work tree as it is
 M handlers/look.sh
?? drafts/
?? new
--- run 64
printf 'kind: look\nspec: {nmae: x}\n' > drafts/typo.yml
dispatch handler test look drafts/typo.yml
--- stdout has
drafts/typo.yml:2:8: error[E0403]
did you mean `name`?
rejected: invalid_spec
  exit code  64
--- run 64
dispatch handler test wait drafts/one.yml
--- stderr has
`drafts/one.yml` asks for the kind `look`, not `wait`
--- run 124
printf 'kind: wait\n' > drafts/wait.yml
dispatch handler test wait drafts/wait.yml
--- stdout has
timed_out: timeout
  limit hit  timeout
--- run 1
printf 'kind: again\n' > drafts/again.yml
dispatch handler test again drafts/again.yml
--- stdout has
failed: exit 75
  not a run  one attempt; a run makes up to 4 where it exits 75
--- run 69
printf 'kind: put\n' > drafts/put.yml
dispatch handler test put drafts/put.yml
--- stderr has
[STORY]/out` is granted and does not exist
`--stand-ins`
--- run
mkdir -m 777 "$STORY/out"
chmod 711 "$STORY"
dispatch handler test put drafts/put.yml --stand-ins
test ! -e "$STORY/out/file"
--- stdout has
  | file
succeeded
  not a run  stand-ins for [STORY]/out
--- run
dispatch handler test put drafts/put.yml
cat "$STORY/out/file"
--- stdout has
it held no lock, and wrote to the host's own paths
here
--- run 64
printf 'kind: knock\n' > drafts/knock.yml
dispatch handler test knock drafts/knock.yml
--- stderr has
hint: `--stand-ins`
--- run
dispatch handler test knock drafts/knock.yml --stand-ins
--- stdout has
  | the token is 
  not a run  made-up values for TOKEN
  not a run  no network
--- run
dispatch handler test look drafts/one.yml --level confined --json > "$STORY/answer"
python3 - "$STORY/answer" <<'END'
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["v"] == 1 and answer["outcome"] == "succeeded", answer
assert answer["record"]["sandbox"]["level"] == "confined", answer
assert answer["artifacts"][0]["path"] == "left.txt", answer
assert answer["record"]["result"] == {"a": 1}, answer
assert "level confined and not isolated" in answer["differs"], answer
END
--- run
dispatch handler test look drafts/one.yml --keep > "$STORY/answer"
kept=$(sed -n 's/^  kept *//p' "$STORY/answer")
cat "$kept"/state/spool/*/1/files/left.txt
rm -r "$kept"
--- stdout
left
--- run 78
dispatch handler test lok drafts/one.yml
--- stderr has
handlers/index.yml has no kind `lok`
did you mean `look`?
--- again off
