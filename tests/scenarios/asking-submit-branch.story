For a pull request the request goes onto a new branch; where main is closed, `submit` prints the request and ends with 75; a lost race is run again.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch submit greet -s name=Ada --name ada --branch ask/ada 2>&1 >/dev/null
origin show --format=%s --name-status ask/ada
git status --short
--- stdout
requests/ada.yml is on ask/ada (commit [SHORT])
next: open a pull request from `ask/ada`; it runs once it is merged
request: greet (ada)

A	requests/ada.yml
--- history
start
--- run 64
dispatch submit greet --name ada --branch ask/ada 2>&1
--- stdout has
there is a branch `ask/ada` already
--- run 64
dispatch submit greet --branch 'a b' 2>&1
--- stdout has
is no name for a branch
--- run 75
printf '#!/bin/sh\nwhile read old new ref; do test "$ref" != refs/heads/main || { echo "pull requests only" >&2; exit 1; }; done\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch submit greet -s name=Eve --name eve > "$STORY/eve.yml"
--- stderr has
put the lines above into `requests/eve.yml`
pull requests only
--branch NAME
--- run
cat "$STORY/eve.yml"
dispatch submit "$STORY/eve.yml" --branch ask/eve >/dev/null 2>&1
rm "$STORY/origin.git/hooks/pre-receive"
printf 'kind: greet\nspec: {name: Bob}\n' > requests-bob.yml
git checkout -q -b rival
mkdir -p requests
echo 'kind: greet' > requests/bob.yml
git add requests && git commit -q -m rival && git push -q origin rival
git checkout -q main
cat > "$STORY/origin.git/hooks/pre-receive" <<END
#!/bin/sh
if mkdir "$STORY/raced" 2>/dev/null; then
    env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main refs/heads/rival
fi
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch submit requests-bob.yml --name bob 2>&1 >/dev/null
test -d "$STORY/raced"
rm "$STORY/origin.git/hooks/pre-receive"
--- stdout
kind: greet
id: [UUID]
spec:
  name: Eve
requests/bob-2.yml is on main (commit [SHORT])
--- tree requests
requests/bob-2.yml
requests/bob.yml
--- run
dispatch run
