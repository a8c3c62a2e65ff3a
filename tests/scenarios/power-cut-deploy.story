A deploy is cut in its third step: what the operator reads before the next pass and after it, and how a person's word settles it (docs/power-cut.md tells it).
--- host
write: {deploy: ["[STORY]/www"]}
--- file handlers/index.yml
deploy:
  run: handlers/deploy.sh
  resource: "host/{spec.host}"
  sandbox: {write: ["[STORY]/www"]}
--- file handlers/deploy.sh
#!/bin/sh
set -eu
release=$(sed -n 's/^ *release: *//p' "$1")
www=[STORY]/www
echo "1/4 copying the site to $www/releases/$release"
mkdir -p "$www/releases/$release"
cat handlers/deploy.sh > "$www/releases/$release/index.html"
echo "2/4 checking it"
test -s "$www/releases/$release/index.html"
echo "3/4 switching over"
ln -sfn "releases/$release" "$www/current"
echo "4/4 warming the cache"
until [ -e "$www/warm" ]; do sleep 0.02; done
--- file requests/release-v42.yml
kind: deploy
spec: {host: web-1,
  release: v42
  }
--- run
mkdir "$STORY/www"
chmod 777 "$STORY/www"
dispatch watch --interval 1s & running=$!
until [ -L "$STORY/www/current" ]; do kill -0 "$running"; sleep 0.02; done
dispatch list
kill -9 "$running"
wait "$running" || true
--- stdout has
ID        NAME         KIND    STATE    TIME
release-v42  deploy  running
attempt 1
--- run
dispatch | sed 's/pass was at .*/pass was at …/'
echo
dispatch list
--- stdout
main of origin ([STORY]/origin.git)
no dispatcher works here now; the last pass was at …
1 pending, 0 ended lately
1 started, and the dispatcher is gone: its next pass settles what can be known
nothing of ours has reached this remote yet: one request goes ahead alone, and the others follow when its record is on main

next:
  dispatch run
  dispatch list
  dispatch kinds

ID        NAME         KIND    STATE        TIME  REASON
[SHORT]  release-v42  deploy  interrupted  -     it was started and its dispatcher is gone: the next pass settles it
--- run
dispatch run
dispatch | sed 's/pass was at .*/pass was at …/'
echo
dispatch list
echo
dispatch why release-v42
--- stdout
main of origin ([STORY]/origin.git)
no dispatcher works here now; the last pass was at …
0 pending, 1 ended lately
last failure: [SHORT] release-v42 indeterminate

next:
  dispatch why [SHORT]
  dispatch list
  dispatch kinds

ID        NAME         KIND    STATE          TIME  REASON
[SHORT]  release-v42  deploy  indeterminate  -     crash: the dispatcher was ended while it ran

release-v42 is indeterminate: crash: the dispatcher was ended while it ran

its last lines:
1/4 copying the site to [STORY]/www/releases/v42
2/4 checking it
3/4 switching over
4/4 warming the cache

next: find out on the machine what it did, then say so: `dispatch resolve [SHORT] --succeeded`, `--failed`, or `--rerun` where it has to be done (again)
--- content logs/release-v42/status.yml status outcome reason
status: error
outcome: indeterminate
reason: "crash: the dispatcher was ended while it ran"
--- content has logs/release-v42/status.yml
- number: 1
reason: "crash: the dispatcher was ended while it ran"
--- content has logs/release-v42/dispatch.log
indeterminate: deploy `release-v42`
Look on the machine whether it took effect, and say so: `dispatch resolve
--- run
touch "$STORY/www/warm"
dispatch resolve release-v42 --rerun -m 'current pointed to v41' > /dev/null
dispatch run
dispatch list | sed 's/ [0-9.]*m\{0,1\}s / … /; s/is run again as .*/is run again/; s/ as .* by .*//'
--- stdout
ID        NAME               KIND              STATE          TIME  REASON
[SHORT]  release-v42-rerun  deploy            succeeded      [DURATION]
[SHORT]  resolve-[SHORT]   dispatch.resolve  succeeded      -     [UUID] is run again
[SHORT]  release-v42        deploy            indeterminate  -     resolved: run again
--- content logs/release-v42-rerun/status.yml status outcome
status: success
outcome: succeeded
