The verb works while a dispatcher watches, and a race for the branch is run again: both commits stand.
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
printf 'kind: once\nid: 0198c0de-0000-7000-8000-000000000003\n' > requests/b.yml
merge second
rm -rf .git/dispatch
dispatch adopt >/dev/null
dispatch run
git pull -q origin main 2>/dev/null || true
git checkout -q -b rival
mkdir -p requests
echo 'kind: unheard-of' > requests/Resolve-00000002.yml
git add -A && git commit -q -m rival && git push -q origin rival
git checkout -q main
dispatch watch --interval 1s 2> "$STORY/told" & watching=$!
until grep -q 'looking at main' "$STORY/told"; do kill -0 "$watching"; sleep 0.02; done
cat > "$STORY/origin.git/hooks/pre-receive" <<END
#!/bin/sh
if mkdir "$STORY/raced" 2>/dev/null; then
    env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main refs/heads/rival
fi
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch resolve a --failed --json | grep '"as"'
test -d "$STORY/raced"
until origin log --format=%B main | grep -q 'Dispatch-Outcome: rejected' &&
    dispatch status a --json | grep -q '"resolved"'; do kill -0 "$watching"; sleep 0.1; done
kill "$watching"
wait "$watching"
origin log --format=%s main | grep -c -e rival -e 'resolve 00000002 as failed'
--- stdout
  "as": "failed",
2
--- tree requests
