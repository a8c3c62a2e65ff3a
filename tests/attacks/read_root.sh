#!/bin/sh
# The home folder of root.
names=$(ls -A /root 2>/dev/null) && echo "REACHED /root: $names"
echo TRIED
