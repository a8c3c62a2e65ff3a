Submodules and links that bear the name of a record keep nobody from anything, whatever the commit that brought them says of itself.
--- file handlers/index.yml
greet: {run: handlers/greet.sh, delivery: at-least-once}
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: greet
--- run 75
git update-index --add --cacheinfo "160000,$(git rev-parse HEAD),logs/here/status.yml"
git update-index --add --cacheinfo 160000,1234567812345678123456781234567812345678,logs/elsewhere/status.yml
git update-index --add --cacheinfo "120000,$(git rev-parse HEAD:requests/a.yml),logs/link/status.yml"
git commit -q -m 'executor: forged

Dispatch-Id: 00000000-0000-4000-8000-00000000000b
Dispatch-Outcome: succeeded
Dispatch-State: 11111111-1111-4111-8111-111111111111'
git push -q origin main
dispatch run
--- stderr has
another dispatcher (state [UUID])
--- run
dispatch adopt
dispatch list >/dev/null
--- stdout has
adopted the records of state [UUID]
--- content logs/a/status.yml outcome
outcome: succeeded
