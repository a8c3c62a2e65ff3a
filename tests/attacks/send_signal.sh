#!/bin/sh
# Ends a process of the same user.
kill -KILL "$VICTIM" 2>/dev/null
echo TRIED
