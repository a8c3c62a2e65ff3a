More slots than uids: nothing starts, for two handlers at once must never be the same user; 78 says what to write.
--- host
jobs: 3
uids: 60720-60721
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 78
if [ "$(id -u)" = 0 ]; then
    dispatch run
else
    echo '`jobs: 3` needs a uid for each: write `uids: 60720-60722`, or `jobs: 2` or less' >&2
    exit 78
fi
--- stderr has
`jobs: 3` needs a uid for each
write `uids: 60720-60722`, or `jobs: 2` or less
--- tree requests
requests/a.yml
--- run
printf 'jobs: 2\nuids: 60720-60721\n' > "$STORY/host.yaml"
dispatch run
--- tree requests
