`init` makes a repository that works: a request merged there is carried out, in the dated layout.
--- run
cd "$STORY"
dispatch init made
cd made
git rev-parse -q --verify HEAD >/dev/null || { git add -A; git -c user.name=T -c user.email=t@example.com commit -qm start; }
test -f codex.repo.yaml
test -f handlers/index.yml
test -f README.codex.md
dispatch check
dispatch kinds
dispatch run
git status --porcelain
grep -c 'layout: dated' codex.repo.yaml
--- stdout has
1
--- run
cd "$STORY"
echo mine > made/codex.repo.yaml
dispatch init made
--- run
cat "$STORY/made/codex.repo.yaml"
--- stdout
mine
--- again off
