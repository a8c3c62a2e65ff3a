#!/bin/bash
# Processes without end; at most 300 here, and each ends after two seconds.
made=0
while [ "$made" -lt 300 ]; do
    sleep 2 2>/dev/null &
    [ "$(jobs -rp | wc -l)" -gt "$made" ] || break
    made=$((made + 1))
done 2>/dev/null
echo "FORKED $made"
echo TRIED
