A kind at `confined` runs without any namespace, as nobody's root, sees its snapshot, log and work folder and no more, and the record says by which layers.
--- host
levels: {minimum: confined}
--- file handlers/index.yml
look: {run: handlers/look.sh, sandbox: {level: confined, cpu_time: 1s}}
--- file handlers/look.sh
#!/bin/sh
[ "$(id -u)" != 0 ] && echo "no root"
cat "$1"
echo kept > "$2/artifact"
echo noted > "$DISPATCH_WORK/note" && cat "$DISPATCH_WORK/note"
for place in "$1" handlers/new /tmp/new /dev/shm/new; do
    if echo x 2> /dev/null > "$place"; then echo "wrote $place"; fi
done
for place in ../../.. /tmp /root /home /run /etc /etc/shadow /proc /proc/1/status; do
    if cat "$place" > /dev/null 2>&1 || ls "$place/" > /dev/null 2>&1; then echo "saw $place"; fi
done
echo looked
while :; do :; done
--- file requests/a.yml
kind: look
spec: {word: here}
--- run
dispatch run
--- content has logs/a/handler.log
no root
spec: {word: here}
noted
looked
--- content lacks logs/a/handler.log
saw
wrote
--- content logs/a/artifact
kept
--- content logs/a/status.yml outcome reason
outcome: failed
reason: cpu_time
--- content has logs/a/status.yml
level: confined
- capabilities
- landlock
- landlock.net
- landlock.scope
- no_new_privs
- rlimits
- seccomp
- subreaper
--- content lacks logs/a/status.yml
namespace
