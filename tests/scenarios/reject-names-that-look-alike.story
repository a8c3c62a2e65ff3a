Two names that are shown alike, one with a line break and one with the letters of its escape, are two requests.
--- file handlers/index.yml
{}
--- run
mkdir -p requests
printf 'kind: x\n' > "$(printf 'requests/a\nb.yml')"
printf 'kind: x\n' > 'requests/a\nb.yml'
merge 'odd names'
dispatch run
git --git-dir "$STORY/origin.git" ls-tree -r --name-only main logs | grep -c status.yml
--- stdout
2
