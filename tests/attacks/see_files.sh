#!/bin/sh
# Whether a file of the host exists, how large it is and since when: without reading it.
stat "$CANARY" > /dev/null 2>&1 && echo "REACHED the attributes of $CANARY"
echo TRIED
