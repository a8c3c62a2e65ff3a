Several hosts: what one of them runs is ended by that one, whoever reads the word first; what nobody has claimed any of them ends; and a pause that one records holds on all.
--- host
node: web-1
claims: remote
levels: {none: [hold]}
--- file handlers/index.yml
plain: handlers/plain.sh
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/plain.sh
#!/bin/sh
--- file handlers/hold.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")"
exec sleep 600
--- file requests/0.yml
kind: plain
--- run
printf 'node: web-2\nclaims: remote\nlevels: {none: [hold]}\n' > "$STORY/second.yaml"
git clone -q "$STORY/origin.git" "$STORY/second"
git -C "$STORY/second" config user.name 'Somebody Else'
git -C "$STORY/second" config user.email else@example.com
second() { (cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch "$@"); }
touch "$STORY/tmp/began" && chmod 666 "$STORY/tmp/began"
dispatch run
second run
mkdir -p requests
printf 'kind: hold\nspec:\n  file: %s/tmp/began\n' "$STORY" > requests/a.yml
merge one
dispatch watch --interval 100ms & watching=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$watching"; sleep 0.02; done
second cancel a --on-main -m 'from afar' > /dev/null
until origin cat-file -e HEAD:logs/a/status.yml 2> /dev/null; do kill -0 "$watching"; second run > /dev/null 2>&1 || true; done
until origin ls-tree -r --name-only HEAD logs | grep -q 'cancel-.*/status.yml'; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
origin show "HEAD:$(origin ls-tree -r --name-only HEAD logs | grep 'cancel-.*/status.yml')" | grep -e ^outcome -e ^host: -e done:
--- stdout
outcome: succeeded
host: web-1
  done: stopped
--- content logs/a/status.yml outcome host reason
outcome: cancelled
reason: "cancelled: from afar"
host: web-1
--- run
second() { (cd "$STORY/second" && DISPATCH_HOST="$STORY/second.yaml" dispatch "$@"); }
git pull -q origin main
mkdir -p requests
printf 'kind: plain\nspec: {n: 1}\nid: 00000000-0000-4000-8000-00000000000b\n' > requests/b.yml
printf 'kind: dispatch.cancel\nspec: {id: 00000000-0000-4000-8000-00000000000b}\n' > requests/c.yml
printf 'kind: dispatch.pause\nspec: {kind: plain}\n' > requests/p.yml
merge words
second run
git pull -q origin main
mkdir -p requests
printf 'kind: plain\nspec: {n: 2}\n' > requests/d.yml
merge 'one more'
dispatch run
dispatch why d
second run
second why d
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
d is held: the kind `plain` is paused by
d is held: the kind `plain` is paused by
--- stdout lacks
refs/dispatch/
--- content logs/b/status.yml outcome host
outcome: cancelled
host: web-2
--- tree requests
requests/d.yml
