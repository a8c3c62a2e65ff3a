#!/bin/sh
# A daemon: its own session, nobody's child, deaf to TERM and HUP, without a descriptor of ours.
mkfifo "$DISPATCH_WORK/up"
setsid sh -c '(trap "" TERM HUP; echo up > "$DISPATCH_WORK/up"; exec sleep 100000) > /dev/null 2>&1 < /dev/null &' &
read -r _ < "$DISPATCH_WORK/up"
echo TRIED
