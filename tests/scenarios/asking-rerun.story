`rerun` puts a new request of the same content on main that names the old one; it refuses what has not ended and what its kind would refuse now, and leaves out a key that a success has used up.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
! grep -q 'ok: false' "$1"
--- file requests/team/a.yml
# first try
kind: once
spec: {ok: false}
idempotency_key: a
--- file requests/b.yml
kind: once
idempotency_key: b
--- file requests/later.yml
kind: once
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
dispatch rerun team/a -m 'once more' > "$STORY/id" 2> "$STORY/told"
cat "$STORY/told"
origin log -1 --format=%B
origin show main:requests/team/a-rerun.yml
grep -q "^id: $(cat "$STORY/id")$" requests/team/a-rerun.yml
dispatch rerun b --json 2> "$STORY/told" | grep -e rerun_of -e path
cat "$STORY/told"
origin show main:requests/b-rerun.yml
dispatch run
dispatch status team/a-rerun | grep 'rerun of'
dispatch status b-rerun --exit-code >/dev/null
--- stdout
requests/team/a-rerun.yml repeats team/a ([SHORT]); it is on main (commit [SHORT])
dispatch: rerun [SHORT]

once more

# first try
kind: once
spec: {ok: false}
idempotency_key: a
id: [UUID]
rerun_of: [UUID]
  "path": "requests/b-rerun.yml",
  "rerun_of": "[UUID]",
 WARN its idempotency_key `b` is used up by the success, and left out: with it, nothing would run
requests/b-rerun.yml repeats b ([SHORT]); it is on main (commit [SHORT])
kind: once
id: [UUID]
rerun_of: [UUID]
  rerun of   [UUID]
--- run 64
dispatch rerun later
--- stderr has
`later` has not ended: it is held
--- run 64
printf 'kind: once\nspec: {other: true}\nidempotency_key: b\n' > other.yml
dispatch submit other.yml
--- stderr has
E0208
--- run 64
sed -n 's/^id: //p' logs/b/status.yml > "$STORY/old"
printf 'kind: once\nid: %s\n' "$(cat "$STORY/old")" > other.yml
dispatch submit other.yml
--- stderr has
E0206
--- run 1
rm other.yml
dispatch rerun nothing-like-it
--- stderr has
there is no request `nothing-like-it`
--- run 64
git pull -q origin main
sed -i 's/once:/never:/' handlers/index.yml
merge 'no such kind any more'
dispatch run 2>/dev/null
dispatch rerun b
--- stderr has
E0301]: Unknown handler for kind once
nothing was pushed
--- again 0
