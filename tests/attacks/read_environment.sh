#!/bin/sh
# The environment of other processes of the same user.
for process in "/proc/$VICTIM" /proc/[0-9]*; do
    tr '\0' '\n' < "$process/environ" | grep -o '^VICTIM_SECRET=canary-[0-9a-f-]*'
done 2>/dev/null
echo TRIED
