#!/bin/sh
# Not an attack: the job with a secret that ran before, and was careless with it. It fails, so that its folders are kept.
for place in "$DISPATCH_WORK" "$HOME" /tmp /dev/shm; do
    cp "$DISPATCH_SECRETS/JOB_SECRET" "$place/kept-$TOKEN" 2>/dev/null
done
exit 1
