#!/bin/sh
# What another process was started with.
tr '\0' ' ' < "/proc/$VICTIM/cmdline" 2>/dev/null
for process in /proc/[0-9]*; do tr '\0' ' ' < "$process/cmdline"; done 2>/dev/null | grep -o 'canary-[0-9a-f-]*'
ps -ef 2>/dev/null | grep -o 'canary-[0-9a-f-]*'
echo TRIED
