Users are tried too: a range that is somebody's, one that is too small for slots and kinds, and a `run_as` that names nobody.
--- host
jobs: 3
uids: 1-3
write: {publish: [/srv]}
--- file handlers/index.yml
publish: {run: handlers/publish.sh, sandbox: {write: [/srv]}}
--- file handlers/publish.sh
#!/bin/sh
--- run
check() {
    printf '%s\n' "$1" > "$STORY/host.yaml"
    if [ "$(id -u)" = 0 ]; then dispatch host check | tr -s ' ' | grep -E '^FAILED (uids|run_as)'; else echo "only root has users: $2"; fi
}
check 'uids: 1-3' 'is the user'
check '{jobs: 3, uids: 60720-60721}' 'write `uids: 60720-60722`, or `jobs: 2` or less'
check '{jobs: 2, uids: 60720-60721, write: {publish: [/srv]}}' 'no uid is left for the kind `publish`'
check '{run_as: {publish: no-such-user-here}}' 'no such user'
--- stdout has
is the user
write `uids: 60720-60722`, or `jobs: 2` or less
no uid is left for the kind `publish`
no such user
--- run
printf 'jobs: 1\n' > "$STORY/host.yaml"
