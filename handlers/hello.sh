#!/bin/sh
# hello: the smallest handler. It needs no grant, no network and no schema knowledge: use it for the first minute.
#
# spec: {name: who to greet}   (optional, default "world")
set -eu

# The whole request arrives on standard input as one JSON document. The schema lets `name` hold neither quote nor
# backslash, so the text between the two quotes is the name itself.
name=$(sed -n 's/.*"spec" *: *{ *"name" *: *"\([^"\\]*\)" *}.*/\1/p')
name=${name:-world}

printf 'hello, %s\n' "$name"
printf 'request %s, attempt %s, from commit %s\n' "${DISPATCH_ID:-?}" "${DISPATCH_ATTEMPT:-?}" "${DISPATCH_COMMIT:-?}"

# What is written here stands in status.yml as `result`.
if [ -n "${DISPATCH_RESULT:-}" ]; then
    printf '{"greeted":"%s"}\n' "$name" > "$DISPATCH_RESULT"
fi
