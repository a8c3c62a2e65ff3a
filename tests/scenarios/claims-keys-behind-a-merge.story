What another host has recorded binds its idempotency key here too where a merge has made that line of main a second parent.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/.gitkeep
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
git checkout -q -b work
echo local > notes
git add notes
git commit -q -m 'local work'
git checkout -q main
printf 'kind: greet\nidempotency_key: release-1\n' > requests/a.yml
merge ask
dispatch -q run
git checkout -q work
git fetch -q origin
git merge -q -m 'merge main into local work' origin/main
mkdir -p requests
printf 'kind: greet\nidempotency_key: release-1\ntarget: {node: web-2}\n' > requests/b.yml
git add requests
git commit -q -m 'ask again'
git push -q origin work:main
git checkout -q main
(cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch -q run)
--- content logs/b/status.yml outcome reason
outcome: succeeded
reason: replay
--- again off
