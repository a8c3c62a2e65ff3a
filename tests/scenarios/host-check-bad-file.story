A host file that cannot be obeyed is told with every fault, its place and the nearest known name; nothing else is tried.
--- host
levles: {none: [greet]}
jobs: none
network: greet
--- run 78
dispatch host check > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
FAILED host file [STORY]/host.yaml:2:1: [E0802]
did you mean `levels`?
FAILED host file [STORY]/host.yaml:3:7: [E0801]
FAILED host file [STORY]/host.yaml:4:10: [E0801]
skipped everything else needs the host file
--- stderr has
host.yaml:2:1: error[E0802]
2 | levles: {none: [greet]}
3 checks failed
--- run 78
printf 'jobs: 1\n' > "$STORY/host.yaml"
chmod 666 "$STORY/host.yaml"
dispatch host check > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
may be written by others (mode 0666)
chmod 644 [STORY]/host.yaml
--- run 78
chmod 644 "$STORY/host.yaml"
mkdir -m 777 "$STORY/open"
cp "$STORY/host.yaml" "$STORY/open/"
dispatch host check --host "$STORY/open/host.yaml" > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
FAILED host file `[STORY]/open` above it may be written by others (mode 0777) → chmod go-w [STORY]/open
--- run 78
dispatch host check --host "$STORY/nowhere.yaml" > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
reading the host file `[STORY]/nowhere.yaml`: No such file or directory
--- run 78
dispatch host check --json --host "$STORY/nowhere.yaml" | grep '"ok"'
exit 78
--- stdout
  "ok": false,
--- run
rm -r "$STORY/open"
--- again 78
