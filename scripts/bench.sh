#!/bin/sh
# Benchmarks: builds them, runs them and prints their tables. Not part of the tests: what they say depends on the machine,
# and only figures of one run compare. docs/performance.md says how to read them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"

usage() {
    cat <<'TEXT'
usage: scripts/bench.sh [--json] [--check] [PART...]

  PART      sandbox: what it costs to start a handler at each level, plain and in bubblewrap (default: every part)
  --json    one JSON document a part on standard output instead of tables
  --check   fail where a promised figure is missed by more than a tenth in two of three tries
TEXT
}

options= parts=
for word in "$@"; do
    case $word in
    -h | --help) usage && exit 0 ;;
    --json | --check) options="$options $word" ;;
    sandbox) parts="$parts $word" ;;
    *) usage >&2 && exit 2 ;;
    esac
done

# Each part is a function: what it needs, then its benchmark.
bench_sandbox() {
    if ! have bwrap && may_install; then
        install "to compare with" bubblewrap || say "going on without bubblewrap"
    fi
    # shellcheck disable=SC2086 # a list of options
    cargo bench --quiet --locked --bench sandbox -- $options
}

need_build_tools
need_toolchain
cd "$root"
for part in ${parts:-sandbox}; do
    "bench_$part"
done
