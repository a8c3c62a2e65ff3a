A pause with an end is over by itself: a dispatcher that watches starts what it held when the time has come, without another look, also while the remote is away.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/first.yml
kind: greet
--- run
dispatch run
dispatch pause --for 8s -m 'a moment' > /dev/null
mkdir -p requests
printf 'kind: greet\nspec: {n: 1}\n' > requests/a.yml
merge one
dispatch watch --interval 1h & watching=$!
until dispatch list --pending | grep -q 'everything is paused until'; do kill -0 "$watching"; sleep 0.02; done
until origin ls-tree -r --name-only HEAD logs | grep -q pause-all; do kill -0 "$watching"; sleep 0.02; done
mv "$STORY/origin.git" "$STORY/away.git"
until dispatch list --pending | grep -q publishing; do kill -0 "$watching"; sleep 0.02; done
mv "$STORY/away.git" "$STORY/origin.git"
dispatch poke > /dev/null
until origin cat-file -e HEAD:logs/a/status.yml 2> /dev/null; do kill -0 "$watching"; sleep 0.02; done
kill "$watching"
wait "$watching"
dispatch | grep paused || echo 'nothing is paused'
dispatch pause --until 2020-01-01T00:00:00Z || echo "over $?"
--- stdout
nothing is paused
over 64
--- content logs/a/status.yml outcome
outcome: succeeded
