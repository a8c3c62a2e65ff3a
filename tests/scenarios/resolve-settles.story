A request ended `indeterminate`: `why` says what to do, a person says what was found, and the word stands beside the record, which nobody touches. The first word counts.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
exec sleep 600
--- file requests/a.yml
kind: hold
id: 0198c0de-0000-7000-8000-000000000001
spec:
  file: [STORY]/tmp/began
--- run
dispatch run & running=$!
until [ -s "$STORY/tmp/began" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
dispatch why a
--- stdout has
a is indeterminate: crash: the dispatcher was ended while it ran
--succeeded
--- run
id=$(origin show HEAD:logs/a/status.yml | sed -n 's/^id: //p')
origin show HEAD:logs/a/status.yml > "$STORY/before"
dispatch resolve "$(echo "$id" | cut -c1-8)" --succeeded -m 'the site shows 4.2'
origin log -1 --format='%an: %s'
origin ls-tree -r --name-only HEAD requests
--- stdout
requests/resolve-[SHORT].yml asks for it on main (commit [SHORT]): a as succeeded
Story Teller: dispatch: resolve [SHORT] as succeeded
requests/resolve-[SHORT].yml
--- stderr has
next: the dispatcher settles it at its next pass
--- run
dispatch run
origin show HEAD:logs/a/status.yml | cmp - "$STORY/before"
resolved=$(origin ls-tree -r --name-only HEAD logs | grep 'resolve-.*status.yml')
origin show "HEAD:$resolved" | grep -e '^status' -e '^outcome' -e ^kind -e exit_code -e author -e '^  as' -e note -e done
--- stdout
status: success
outcome: succeeded
kind: dispatch.resolve
exit_code: 0
  author: Story Teller <story@example.com>
  as: succeeded
  note: the site shows 4.2
  done: settled
--- run
dispatch status a | tail -3
dispatch status a --exit-code >/dev/null && echo it counts as done
dispatch list | grep -o 'indeterminate.*resolved as succeeded by Story Teller'
dispatch why a
git clone -q "$STORY/origin.git" "$STORY/elsewhere"
dispatch -C "$STORY/elsewhere" status a --json | grep -A6 '"resolved"'
--- stdout
Next: nothing: a person has settled it

record: logs/a/
it counts as done
indeterminate  -     resolved as succeeded by Story Teller
a is indeterminate: resolved as succeeded by Story Teller <story@example.com> (commit [SHORT]): the site shows 4.2

next: nothing: a person has settled it
    "resolved": {
      "id": "[UUID]",
      "as": "succeeded",
      "note": "the site shows 4.2",
      "by": "[UUID]",
      "who": "Story Teller <story@example.com>",
      "commit": "[OID]"
--- run 64
dispatch resolve a --failed
--- stderr has
is settled: resolved as succeeded
the first word counts
--- run
git pull -q origin main 2>/dev/null || true
id=$(origin show HEAD:logs/a/status.yml | sed -n 's/^id: //p')
mkdir -p requests
printf "kind: dispatch.resolve\nspec: {id: $id, as: failed}\n" > requests/second-word.yml
merge 'a second word'
dispatch run
--- content has logs/second-word/error.log
is settled: resolved as succeeded
the first word counts
--- content logs/second-word/status.yml status outcome exit_code kind
status: error
outcome: rejected
kind: dispatch.resolve
exit_code: 64
