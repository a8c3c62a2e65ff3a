`host check` tries what the host file says, each path with the user that would use it, and ends with 0 where all of it can work.
--- host
jobs: 1
read: {publish: [[STORY]/site.conf]}
write: {publish: [[STORY]/www]}
secrets: {TOKEN: {file: [STORY]/token, kinds: [publish]}, HOOK: {env: HOOK_TOKEN, kinds: [publish]}}
levels: {require: [seccomp, no_new_privs]}
protocols: [file, ssh]
repository: {branch: main}
--- file handlers/index.yml
publish: {run: handlers/publish.sh, sandbox: {write: ["[STORY]/www"]}}
--- file handlers/publish.sh
#!/bin/sh
--- run
mkdir "$STORY/www"
chmod 777 "$STORY/www"
echo 'a = 1' > "$STORY/site.conf"
printf 'correct horse battery' > "$STORY/token"
chmod 600 "$STORY/token"
export HOOK_TOKEN='another value'
dispatch host check > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
ok host file `[STORY]/host.yaml`, sha256
ok level isolated there: 
ok layer seccomp required, and active
ok layer no_new_privs required, and active
ok read publish [STORY]/site.conf
ok write publish [STORY]/www
ok secret HOOK has a value
ok secret TOKEN has a value, in `[STORY]/token`
ok jobs 1 at once
ok limits memory 2GiB, pids 1024, timeout [DURATION]
ok spans interval [DURATION], drain [DURATION]
ok repository the branch `main` is obeyed, and it is there
ok protocols file, ssh
ok kinds 1 named, all in the index
--- stdout lacks
FAILED
correct horse
another value
--- stderr
everything that the host file says can work here
--- run
export HOOK_TOKEN='another value'
cd "$STORY"
dispatch host check --json | grep -E '"(v|ok)":'
dispatch host check | tr -s ' ' | grep '^skipped kinds'
--- stdout
  "v": 1,
  "ok": true,
skipped kinds there is no repository here to look them up in: `-C DIR` names one
--- tree requests
