A persistent checkout and a cache work the same at every level: the second run finds the products of the first, and the commit's files as they are there.
--- host
levels: {minimum: confined, none: [bare]}
--- file handlers/index.yml
boxed: {run: handlers/build.sh, workspace: persistent, sandbox: {cache: 1MiB}}
walled: {run: handlers/build.sh, workspace: persistent, sandbox: {level: confined, cache: 1MiB}}
bare: {run: handlers/build.sh, workspace: persistent, sandbox: {level: none, cache: 1MiB}}
--- file handlers/build.sh
#!/bin/sh
set -eu
grep kind: "$1"
cat source
cat product "$DISPATCH_CACHE/cached" 2>/dev/null || echo first run
echo product > product
echo cached > "$DISPATCH_CACHE/cached"
echo artifact > "$2/artifact"
echo spoiled > source
rm -rf requests processed 2>/dev/null || true
ln -s /etc processed 2>/dev/null || true
echo '{"done": true}' > "$DISPATCH_RESULT"
--- file source
source
--- file requests/1.yml
kind: boxed
--- file requests/2.yml
kind: walled
--- file requests/3.yml
kind: bare
--- run
dispatch run
git pull -q
for kind in boxed walled bare; do printf 'kind: %s\n' $kind > requests/again-$kind.yml; done
git add . && git commit -qm again && git push -q
dispatch run
git pull -q
cat logs/1/handler.log logs/again-boxed/handler.log logs/2/handler.log logs/again-walled/handler.log
cat logs/3/handler.log logs/again-bare/handler.log
cat logs/*/artifact
--- stdout
kind: boxed
source
first run
kind: boxed
source
product
cached
kind: walled
source
first run
kind: walled
source
product
cached
kind: bare
source
first run
kind: bare
source
product
cached
artifact
artifact
artifact
artifact
artifact
artifact
--- content logs/again-walled/status.yml outcome result
outcome: succeeded
result:
  done: true
