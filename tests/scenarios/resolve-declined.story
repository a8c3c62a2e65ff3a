Where nobody but the dispatcher may push, the verb prints the file for a pull request and ends with 75; merged, it does the same.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/first.yml
kind: once
--- run
dispatch run
mkdir -p requests
printf 'kind: once\nid: 0198c0de-0000-7000-8000-000000000002\n' > requests/a.yml
merge second
rm -rf .git/dispatch
dispatch adopt >/dev/null
dispatch run
--- content logs/a/status.yml outcome reason
outcome: indeterminate
reason: state_lost
--- run 75
printf '#!/bin/sh\necho "pull requests only" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch resolve a --succeeded -m 'it is there: "yes"' > "$STORY/pull-request.yml"
--- stderr has
put the lines above into `requests/resolve-[SHORT].yml`
pull requests only
nothing was put on main; a pull request can
--- run
rm "$STORY/origin.git/hooks/pre-receive"
git pull -q origin main 2>/dev/null || true
mkdir -p requests
cp "$STORY/pull-request.yml" requests/by-hand.yml
cat requests/by-hand.yml
dispatch check requests/by-hand.yml
merge 'a pull request'
dispatch run
dispatch status a --json | grep '"as"'
dispatch status a --exit-code >/dev/null
--- stdout
kind: dispatch.resolve
id: [UUID]
spec:
  id: [UUID]
  as: succeeded
  note: "it is there: \"yes\""
ok        requests/by-hand.yml  dispatch.resolve
checked 1 request: 1 ok
      "as": "succeeded",
