A user that `run_as` names keeps its own group, whatever its number is, and no other one.
--- host
levels: {minimum: confined, none: [bare]}
run_as: {boxed: man, walled: man, bare: man}
--- file handlers/index.yml
boxed: handlers/who.sh
walled: {run: handlers/who.sh, sandbox: {level: confined}}
bare: {run: handlers/who.sh, sandbox: {level: none}}
--- file handlers/who.sh
#!/bin/sh
set -eu
[ "$(id -u)" = "$(sed -n 's/^ *uid: //p' "$1")" ] && echo its user
[ "$(id -G)" = "$(sed -n 's/^ *gid: //p' "$1")" ] && echo its group alone
echo x > "$DISPATCH_WORK/x" && echo y > "$2/y"
--- run
mkdir -p requests
for kind in boxed walled bare; do
    printf 'kind: %s\nspec:\n  uid: %s\n  gid: %s\n' $kind "$(id -u man)" "$(id -g man)" > requests/$kind.yml
done
git add . && git commit -qm ask && git push -q
dispatch run
git pull -q
for kind in boxed walled bare; do cat logs/$kind/handler.log logs/$kind/y; done
--- stdout
its user
its group alone
y
its user
its group alone
y
its user
its group alone
y
