#!/bin/sh
# Becomes root in a namespace of its own, from where much more of the kernel can be reached.
for space in -U -m -n -i -u -p; do
    unshare $space true 2>/dev/null && echo "REACHED unshare $space"
done
unshare -Ur true 2>/dev/null && echo "REACHED root in a namespace"
echo TRIED
