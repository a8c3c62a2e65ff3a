#!/bin/sh
# What a handler of this level can reach. At `isolated` and `confined` it should say "refused" throughout.
try() {
    what=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "reached: $what"; else echo "refused: $what"; fi
}
keys=$(sed -n 's/^ *keys: //p' "$1")
try "a key of yours ($keys)" cat "$keys"
try "writing beside it" touch "$keys.changed"
try "writing into the repository" touch handlers/planted.sh
try "the processes of this machine" sh -c 'ls -d /proc/[0-9]* | sed -n 11p | grep .'
try "another user's rights" unshare --user true
# It does not survive the end of its request either.
setsid sh -c 'sleep 600' &
