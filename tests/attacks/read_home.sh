#!/bin/sh
# A file in the home folder of the dispatcher's user.
cat "$HOME_CANARY" /proc/1/root"$HOME_CANARY" 2>/dev/null
ls "$(dirname "$HOME_CANARY")" 2>/dev/null
echo TRIED
