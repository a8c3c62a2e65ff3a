Where something that a run needs is wrong, `--selftest` says what and ends with 69.
--- file handlers/index.yml
greet: [unclosed
--- run 69
dispatch --selftest > "$STORY/table" 2>&1
--- run
tail -n 1 "$STORY/table"
grep -c 'handlers/index.yml' "$STORY/table"
--- stdout has
Dispatcher NOT OK
--- again 78
