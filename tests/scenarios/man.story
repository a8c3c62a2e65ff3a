`man` writes a page for each verb, the same bytes every time, and the pages have the help's own words.
--- remote none
--- run
dispatch man "$STORY/man"
dispatch man "$STORY/again" -q
diff -r "$STORY/man" "$STORY/again"
cd "$STORY/man"
ls | grep -c 'dispatch-.*\.1$' | sed 's/^[1-9][0-9]*$/many/'
for verb in run watch health prune host-check completions; do test -s "dispatch-$verb.1"; done
grep -q 'max.*age' dispatch-health.1
grep -q 'Exit codes' dispatch.1
! grep -q "$STORY" ./*.1
if command -v man > /dev/null; then man --warnings=w ./dispatch-run.1 2>&1 > page | head -n 5; grep -i 'exit 1' page > /dev/null; fi
for shell in bash zsh fish; do dispatch completions $shell > "$STORY/$shell"; test -s "$STORY/$shell"; done
bash -n "$STORY/bash"
--- stdout
many
--- run 73
touch "$STORY/file"
dispatch man "$STORY/file/below"
--- stderr has
writing man pages to
--- again off
