Two machines with one node name: the second starts nothing until it has a name of its own, or a person says that the first is gone.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- run
dispatch run 2>&1
mkdir -p requests
printf 'kind: once\n' > requests/a.yml
merge a
git clone -q "$STORY/origin.git" "$STORY/second"
--- run 75
cd "$STORY/second"
dispatch run
--- stderr has
the node name `web-1` is registered by another state folder
needs a `node:` of its own in its host file
dispatch adopt
--- tree requests
requests/a.yml
--- run
cd "$STORY/second"
printf 'node: web-2\nclaims: remote\n' > "$STORY/second.yaml"
DISPATCH_HOST="$STORY/second.yaml" dispatch run 2>&1
--- content logs/a/status.yml host
host: web-2
--- run
git pull -q
mkdir -p requests
printf 'kind: once\n# b\n' > requests/b.yml
merge b
git clone -q "$STORY/origin.git" "$STORY/third"
cd "$STORY/third"
dispatch run 2> /dev/null || echo "exit $?"
dispatch adopt
dispatch run 2>&1
--- stdout has
exit 75
adopted the node name `web-1`
1 succeeded; 1 published
--- again 75
