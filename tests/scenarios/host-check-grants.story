Each grant that cannot work is told with what was found and what to do about it, and `host check` ends with 78.
--- host
jobs: 1
read: {fetch: [[STORY]/missing]}
write: {publish: [[STORY]/www]}
run_as: {fetch: no-such-user-here}
levels: {none: [gret], require: [secomp]}
protocols: [htps]
interval: 100ms
limits: {memory: 1023TiB}
actions:
  reload: {run: [no-such-program-here, now], kinds: [greet]}
  restart: {run: [sh, -c, 'true'], kinds: [gret]}
repository: {branch: trunk, merged_only: false}
secrets:
  A_MISSING: {file: [STORY]/none, kinds: [greet]}
  B_SHORT: {file: [STORY]/short, kinds: [greet]}
  C_OPEN: {file: [STORY]/open, kinds: [greet]}
  D_UNSET: {env: NO_SUCH_VARIABLE, kinds: [greet]}
  E_CREDENTIAL: {credential: deploy-key, kinds: [greet]}
  F_LINK: {file: [STORY]/link, kinds: [greet]}
  G_NOBODYS: {file: [STORY]/open, kinds: []}
--- file handlers/index.yml
greet: handlers/greet.sh
fetch: handlers/greet.sh
publish: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- run 78
mkdir -m 555 "$STORY/www"
printf short > "$STORY/short"
printf 'correct horse battery' > "$STORY/open"
ln -s short "$STORY/link"
chmod 600 "$STORY/short"
chmod 644 "$STORY/open"
dispatch host check > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
run_as fetch
no-such-user-here
layer secomp
did you mean `seccomp`?
write publish [STORY]/www
 cannot write it
setfacl -m u:
:rwx [STORY]/www
secret A_MISSING
install -m 600 /dev/stdin [STORY]/none
secret B_SHORT
shorter than 8 bytes: it cannot be masked
secret C_OPEN
may be read by everybody (mode 0644) → chmod 600 [STORY]/open
secret D_UNSET
no variable `NO_SUCH_VARIABLE`
secret E_CREDENTIAL
needs $CREDENTIALS_DIRECTORY
LoadCredential=deploy-key
secret F_LINK
is a symbolic link
warning secret G_NOBODYS
no kind may have it
FAILED action reload `no-such-program-here` is no program that can be executed here
ok action restart runs `
warning limits
`memory: 1023TiB`, and the machine has
warning spans
warning repository
the branch `trunk` is obeyed, and this clone has none of that name
warning repository
`merged_only: false`
warning protocols
did you mean `https`?
warning kinds
`gret` in levels.none, actions.restart, did you mean `greet`?
--- stdout lacks
correct horse
--- stderr has
checks failed
--- run 78
printf 'read: {fetch: [%s/missing]}\n' "$STORY" > "$STORY/host.yaml"
dispatch host check > "$STORY/table" || exit=$?
tr -s " " < "$STORY/table"
exit ${exit:-0}
--- stdout has
FAILED read fetch [STORY]/missing
does not exist, and requests that ask for it are held → make it (mkdir -p [STORY]/missing)
