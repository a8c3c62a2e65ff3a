Merged words: a pause that holds, a cancel of what it holds, and the end of the pause.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
--- file requests/hold.yml
kind: dispatch.pause
spec: {kind: once, reason: release freeze}
--- file requests/a.yml
kind: once
id: 0198c0de-0000-7000-8000-00000000000a
--- file requests/b.yml
kind: once
--- run
dispatch run || true
git pull -q
mkdir -p requests
printf 'kind: dispatch.cancel\nspec: {id: 0198c0de-0000-7000-8000-00000000000a}\n' > requests/not-a.yml
merge 'a is not wanted'
dispatch run || true
git pull -q
mkdir -p requests
printf 'kind: dispatch.resume\nspec: {kind: once}\n' > requests/go-on.yml
merge 'on it goes'
dispatch run
