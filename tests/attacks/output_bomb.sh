#!/bin/sh
# Output without end: 8 MiB of it, some on the other stream.
head -c 1000000 /dev/zero >&2
head -c 7000000 /dev/zero | tr '\0' x
echo TRIED
