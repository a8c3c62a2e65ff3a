A merge with main as its second parent (`git pull` into local work) gives a request another introducing commit, and so another derived id. What was started before it is not run again.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/.gitkeep
--- run 75
git checkout -q -b work
echo local > notes
git add notes
git commit -q -m 'local work'
git checkout -q main
printf 'kind: greet\n' > requests/a.yml
git add requests
git commit -q -m 'ask'
git push -q origin main
printf '#!/bin/sh\ncat >/dev/null\necho closed for lunch >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run --push-tries 1
--- run
rm "$STORY/origin.git/hooks/pre-receive"
git checkout -q work
git merge -q -m 'merge main into local work' main
git push -q origin work:main
git checkout -q main
dispatch run
--- history
executor: [UUID] rc=0
merge main into local work
local work
start
--- tree requests processed logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
processed/a.yml
requests/.gitkeep
