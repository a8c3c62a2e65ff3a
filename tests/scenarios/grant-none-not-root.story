Without a sandbox a handler is still nobody's root: as root the dispatcher gives it a user of its own, who can enter its folders.
--- host
levels: {none: [bare]}
--- file handlers/index.yml
bare: {run: handlers/bare.sh, sandbox: {level: none}}
--- file handlers/bare.sh
#!/bin/sh
set -eu
[ "$(id -u)" != 0 ] && echo no root
echo x > "$DISPATCH_WORK/x"
echo y > "$2/y"
cd "$HOME" && mktemp > /dev/null && echo at home
--- file requests/a.yml
kind: bare
--- run
dispatch run
--- content has logs/a/handler.log
no root
at home
--- content logs/a/y
y
