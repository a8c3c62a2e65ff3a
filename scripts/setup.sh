# shellcheck shell=sh
# What the scripts beside it share: saying things, installing what is missing, finding a toolchain.
# Sourced, never run by itself; needs `root`, the top of the repository. Everything said goes to stderr.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() { say "$*"; exit 69; }
have() { command -v "$1" >/dev/null 2>&1; }

: "${root:?is set by the script that reads this file}"

# Services and cron know neither cargo's folder nor those of servers. rustup's cargo comes before a distribution's.
cargo_home=${CARGO_HOME:-${HOME:-/}/.cargo}
PATH="$cargo_home/bin:$PATH:/usr/sbin:/usr/local/sbin"

# Where builds go, as cargo sees it when it is called from the top of the repository.
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$root/$target ;; esac

may_install() { [ "$(id -u)" = 0 ] && have apt-get; }

# install WHY PACKAGE…: quietly, with one line of what and why; the package lists are fetched once.
install() {
    why=$1
    shift
    say "installing $* ($why)"
    log=$(mktemp)
    if [ -z "${lists_are_fresh:-}" ]; then
        apt-get update -qq >"$log" 2>&1 || say "the package lists could not be fetched, trying with those that are there"
        lists_are_fresh=1
    fi
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Words of /usr/include are looked for because a compiler without the C library's headers builds nothing.
need_build_tools() {
    packages=
    have git || packages="$packages git"
    have cc || packages="$packages gcc"
    [ -e /usr/include/stdio.h ] || echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1 || packages="$packages libc6-dev"
    [ -z "$packages" ] && return
    may_install || fail "missing:$packages. As root: apt-get install$packages"
    # shellcheck disable=SC2086 # a list of packages
    install "to fetch and to compile the bundled SQLite" $packages || fail "could not install$packages"
}

# A program's package, where the program is missing.
missing() {
    while [ $# -gt 0 ]; do
        have "$1" || printf '%s ' "$2"
        shift 2
    done
}

need_test_packages() {
    packages=$(missing python3 python3 strace strace faketime faketime promtool prometheus systemd-analyze systemd curl curl openssl openssl chromium chromium)
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
    have promtool || say "promtool is missing: metrics and alerts are not checked with it"
    have systemd-analyze || say "systemd-analyze is missing: units are not checked with it"
    have chromium || say "chromium is missing: the pages of reports are not looked at in a browser"
    if ! have lighttpd || ! have sshd; then
        say "lighttpd or sshd is missing: the tests over http and ssh are left out"
        export DISPATCH_TEST_SERVERS=skip
    fi
}

# new_enough VERSION: whether a cargo of this version can build the crate, whose Cargo.toml names the least.
new_enough() {
    least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    [ "$(printf '%s\n%s\n' "$least" "$1" | sort -V | head -n 1)" = "$least" ]
}

# version_of COMMAND…: the version that a cargo says of itself, nothing where it does not run.
version_of() { (cd "$root" && "$@" --version 2>/dev/null) | cut -d' ' -f2; }

# The pinned toolchain where it is there or rustup can fetch it; else the newest other one that is new enough.
need_toolchain() {
    have cargo || fail "cargo is missing. Install rustup ('apt-get install rustup' where Debian has it, else see
https://www.rust-lang.org/tools/install), then run this again: it fetches the pinned toolchain."
    version=$(version_of cargo)
    if [ -n "$version" ] && new_enough "$version"; then
        return
    fi
    if have rustup; then
        for name in $(rustup toolchain list 2>/dev/null | cut -d' ' -f1 | grep -v nightly | sort -rV); do
            version=$(version_of rustup run "$name" cargo)
            if [ -n "$version" ] && new_enough "$version"; then
                say "the pinned toolchain is not installed, building with $name ($version)"
                export RUSTUP_TOOLCHAIN="$name"
                return
            fi
        done
        fail "no Rust toolchain from $least on is installed. With a network: rustup toolchain install $least"
    fi
    fail "cargo ${version:-here does not run} is too old, $least is needed: install rustup and run this again"
}

# need_tool NAME: a cargo subcommand, built once into the target folder (lightly optimised: it is built more than it runs).
need_tool() {
    have "$1" && return
    say "building $1 (once, a few minutes)"
    (
        unset RUSTFLAGS
        CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            CARGO_PROFILE_RELEASE_DEBUG=false CARGO_TARGET_DIR="$target/tools/build" \
            cargo install --quiet --locked --root "$target/tools" "$1" >&2
    ) || return 1
    rm -rf "$target/tools/build"
}
