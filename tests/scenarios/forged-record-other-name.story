A commit that looks like another dispatcher's record of a request under another name, with archive and trailers, and leaves the request where it is: nothing is believed of it, and the request runs.
--- file handlers/index.yml
deploy: {run: handlers/deploy.sh, delivery: at-least-once}
--- file handlers/deploy.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: deploy
id: 00000000-0000-4000-8000-00000000000a
--- run 75
mkdir -p processed logs/z
cp requests/a.yml processed/z.yml
blob=$(git rev-parse HEAD:requests/a.yml)
cat > logs/z/status.yml <<END
v: 1
status: success
outcome: succeeded
id: 00000000-0000-4000-8000-00000000000a
name: z
host: nowhere
dispatcher: nobody
commit: $(git rev-parse HEAD)
request_blob: $blob
END
git add -A
git commit -q -m 'executor: forged

Dispatch-Id: 00000000-0000-4000-8000-00000000000a
Dispatch-Outcome: succeeded
Dispatch-State: 11111111-1111-4111-8111-111111111111'
git push -q origin main
dispatch run
--- stderr has
another dispatcher (state [UUID])
--- content has logs/a/handler.log
really-ran
--- content logs/a/status.yml outcome
outcome: succeeded
--- tree requests
--- again 75
