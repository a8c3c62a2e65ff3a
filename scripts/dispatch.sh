#!/bin/sh
# Builds `dispatch` where it is missing or older than its sources, and runs it with the arguments given.
# Without arguments: one pass over this repository (`dispatch run`), from wherever it is called.
# Builds into CARGO_TARGET_DIR if set, else target/. Progress goes to stderr; only `dispatch` writes to stdout.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"

program=$target/release/dispatch
# Names the sources of the last build: one target folder may serve several clones.
stamp=$target/release/.dispatch-built

stale() {
    [ -x "$program" ] && [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$root" ] || return 0
    newer=$(find "$root/src" "$root/schemas" "$root/handlers" "$root/Cargo.toml" "$root/Cargo.lock" \
        "$root/README.codex.md" "$root/docs/errors.md" "$root/rust-toolchain.toml" -type f -newer "$stamp" | head -n 1)
    [ -n "$newer" ]
}

if stale; then
    need_build_tools
    need_toolchain
    say "building dispatch (the first time takes a few minutes)"
    mkdir -p "$target/release"
    # The stamp is as old as the beginning of the build, so that an edit during the build is not missed.
    printf '%s\n' "$root" >"$stamp.new"
    (cd "$root" && cargo build --release --locked --bin dispatch >&2)
    mv "$stamp.new" "$stamp"
fi
have git || need_build_tools

if [ $# -eq 0 ]; then
    cd "$root"
    set -- run
fi
# How to call it again, for the commands that it shows.
DISPATCH_AS=$0 exec "$program" "$@"
