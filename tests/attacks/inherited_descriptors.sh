#!/bin/sh
# Descriptors that whoever started the dispatcher left open.
for number in 3 4 5 6 7 8 9; do
    (eval "cat <&$number") 2>/dev/null
    cat "/proc/self/fd/$number" 2>/dev/null
done
echo TRIED
