#!/bin/sh
# Everything that has to hold before a commit: format, lints, docs, dependencies, tests. Installs what it needs where it
# may (root, apt); tools that cargo has to build are kept in the target folder. The exit code is that of the first failure,
# and the last lines are the tests' own summary.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
cd "$root"

step() { printf '\n== %s\n' "$*" >&2; }

step "set-up"
need_build_tools
need_toolchain
need_test_packages
PATH="$PATH:$target/tools/bin"
need_tool cargo-deny || fail "cargo-deny could not be built: dependencies cannot be checked"
need_tool cargo-nextest || say "cargo-nextest could not be built: the tests run with cargo test"

step "format"
cargo fmt --check
step "lints"
cargo clippy --quiet --all-targets --locked -- -D warnings
cargo clippy --quiet --all-targets --locked --features planted -- -D warnings
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked --document-private-items
step "dependencies"
cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources
step "documentation tests"
cargo test --quiet --doc --locked
step "bugs that are built in on purpose, and every step of the journal as the last one"
if have cargo-nextest; then
    cargo nextest run --locked --features planted --test planted --test prefixes
else
    cargo test --locked --features planted --test planted --test prefixes
fi
step "tests"
if have cargo-nextest; then
    exec cargo nextest run --locked
fi
exec cargo test --locked
