`dispatch list` shows the part that is asked for: by kind, outcome, name, resource and age, in pages.
--- file handlers/index.yml
good: {run: handlers/good.sh, resource: "host/{spec.on}"}
bad: handlers/bad.sh
--- file handlers/good.sh
#!/bin/sh
--- file handlers/bad.sh
#!/bin/sh
exit 3
--- file requests/release-1.yml
kind: good
spec: {on: a}
--- file requests/release-2.yml
kind: good
spec: {on: b}
--- file requests/backup-1.yml
kind: bad
--- file requests/release-3.yml
kind: good
spec: {on: a}
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run --jobs 1
names() { dispatch list "$@" 2> /dev/null | awk 'NR > 1 {print $2}' | sort | tr '\n' ' '; echo; }
names --kind bad
names --kind bad --kind good --only failed --only held
names --name 'release-*'
names --resource host/a
names --since 1h
names --until 1h
names --until 2100-01-01T00:00:00Z --only succeeded
names --pending
names --most 2
names --most 2 --page 2
dispatch list --most 2 --page 2 --json | grep '"more"'
--- stdout
backup-1 
backup-1 release-3 
release-1 release-2 release-3 
release-1 release-3 
backup-1 release-1 release-2 
release-3 
release-1 release-2 
release-3 
release-1 release-2 release-3 
backup-1 
  "more": false
--- run
dispatch list --most 1
--- stderr has
there may be more: add `--page 2`, or `--most N`
--- run 2
dispatch list --since yesterday
--- stderr has
neither a span such as [DURATION] nor a time such as
