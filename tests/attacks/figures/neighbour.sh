#!/bin/sh
# Not an attack: the job with a secret that runs meanwhile.
: > "$MEET/up"
while [ ! -e "$MEET/done" ]; do sleep 0.02; done
