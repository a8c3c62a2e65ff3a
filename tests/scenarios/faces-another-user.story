The state folder is closed to everybody but its user: who asks as another is told so, and not that nothing has run or works here.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch run
printf 'kind: greet\n' > requests.yml && mkdir -p requests && mv requests.yml requests/a.yml
merge a
chmod -R a+rX "$STORY"
chmod 700 .git/dispatch
as_nobody() {
    if test "$(id -u)" != 0; then chmod 0 .git/dispatch; "$@"; return; fi
    setpriv --reuid 65534 --clear-groups env HOME="$STORY/nobody" GIT_CONFIG_GLOBAL="$STORY/nobody/.gitconfig" "$@"
}
mkdir -p "$STORY/nobody"
printf '[safe]\n\tdirectory = *\n' > "$STORY/nobody/.gitconfig"
chmod -R a+rX "$STORY/nobody"
as_nobody dispatch
as_nobody dispatch --json | grep '"closed"'
as_nobody dispatch why a
as_nobody dispatch poke 2>&1 || echo "poke ends with $?"
chmod 700 .git/dispatch
dispatch run
--- stdout has
the state folder `[STORY]/clone/.git/dispatch` is closed to this user
"closed": true
a is pending: the state folder
ask as the dispatcher's user, or as root
is closed to this user
poke ends with 75
