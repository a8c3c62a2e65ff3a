Without a remote the branch is moved and the work tree follows, whatever else is dirty there; a file of the user's in the way is left alone and another name taken. Several words in one commit are each carried out.
--- remote none
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
file=$(grep -o '/[^ ]*/tmp/[a-z]*$' "$1")
echo began >> "$file"
test "$(wc -l < "$file")" -gt 1 || exec sleep 600
--- file requests/a.yml
kind: hold
id: 0198c0de-0000-7000-8000-000000000001
resource: one
spec:
  file: [STORY]/tmp/a
--- file requests/b.yml
kind: hold
id: 0198c0de-0000-7000-8000-000000000002
resource: two
spec:
  file: [STORY]/tmp/b
--- file README.md
here
--- run
touch "$STORY/tmp/a" && chmod 666 "$STORY/tmp/a"
touch "$STORY/tmp/b" && chmod 666 "$STORY/tmp/b"
dispatch run --jobs 2 & running=$!
until [ -s "$STORY/tmp/a" ] && [ -s "$STORY/tmp/b" ]; do kill -0 "$running"; sleep 0.02; done
kill -9 "$running"
wait "$running" || true
dispatch run
echo mine >> README.md
mkdir -p requests
echo mine > requests/resolve-00000001.yml
dispatch resolve a --rerun -m 'the first one did nothing'
git log -1 --format='%an: %s'
git status --short
git show --format= --name-only HEAD
mv requests/resolve-00000001.yml "$STORY/mine"
printf 'kind: dispatch.resolve\nspec: {id: 0198c0de-0000-7000-8000-000000000002, as: failed}\n' > requests/word.yml
git add requests/word.yml && git commit -q -m 'a word by hand'
dispatch run
git status --short
dispatch list | grep -o -e 'a-rerun .*succeeded' -e 'b .*indeterminate' -e 'a .*indeterminate' | sort | tr -s ' '
wc -l < "$STORY/tmp/a"
--- stdout
requests/resolve-[SHORT]-2.yml asks for it on main (commit [SHORT]): a as rerun
Story Teller: dispatch: resolve [SHORT] as rerun
 M README.md
?? requests/resolve-[SHORT].yml
requests/resolve-[SHORT]-2.yml
 M README.md
a hold indeterminate
a-rerun hold succeeded
b hold indeterminate
2
--- tree requests
