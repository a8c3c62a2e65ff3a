#!/bin/sh
# A program of root's that lends its rights to whoever starts it.
"$SETUID_PROGRAM" -u 2>/dev/null | sed -n 's/^0$/REACHED uid 0/p'
for program in su sudo passwd chsh newgrp mount; do
    path=$(command -v "$program") && [ -u "$path" ] && echo "found $path"
done
setpriv --reuid 0 true 2>/dev/null && echo "REACHED setpriv"
echo TRIED
