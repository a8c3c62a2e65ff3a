#!/bin/sh
# Stays whatever is said.
trap '' TERM HUP INT QUIT USR1 USR2
setsid sh -c 'while :; do sleep 100000; done' &
echo TRIED
while :; do sleep 100000; done
