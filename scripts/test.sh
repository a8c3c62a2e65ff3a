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

# A program's package, where the program is missing.
missing() {
    while [ $# -gt 0 ]; do
        have "$1" || printf '%s ' "$2"
        shift 2
    done
}

need_test_packages() {
    packages=$(missing python3 python3 strace strace promtool prometheus curl curl openssl openssl)
    servers=$(missing lighttpd lighttpd sshd openssh-server ssh openssh-client)
    # Packages of servers start and enable them. In a container nothing does; on a machine with systemd that is not ours to do.
    if [ -n "$servers" ] && [ -d /run/systemd/system ]; then
        say "not installing on a machine with services: $servers(the tests over http and ssh are left out)"
    else
        packages="$packages$servers"
    fi
    if [ -n "$packages" ] && may_install; then
        # shellcheck disable=SC2086 # a list of packages
        install "for the tests" $packages || say "going on without"
    fi
    have python3 || fail "python3 is missing: some handlers under test are written in it"
    have promtool || say "promtool is missing: metrics are not checked with it"
    if ! have lighttpd || ! have sshd; then
        say "lighttpd or sshd is missing: the tests over http and ssh are left out"
        export DISPATCH_TEST_SERVERS=skip
    fi
}

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
step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked --document-private-items
step "dependencies"
cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources
step "documentation tests"
cargo test --quiet --doc --locked
step "tests"
if have cargo-nextest; then
    exec cargo nextest run --locked
fi
exec cargo test --locked
