#!/bin/sh
# A file that everybody on the host may read, by its name, through links and through other processes' roots.
cat "$CANARY" 2>/dev/null
ln -s "$CANARY" "$DISPATCH_WORK/link" 2>/dev/null && cat "$DISPATCH_WORK/link" 2>/dev/null
for root in /proc/1/root /proc/self/root /proc/$PPID/root /proc/1/cwd /host /.host /proc/self/cwd/../../../../../..; do
    cat "$root$CANARY" 2>/dev/null
done
(cd "$(dirname "$CANARY")" 2>/dev/null && cat canary 2>/dev/null)
(exec 9< "$CANARY" && cat <&9) 2>/dev/null
echo TRIED
