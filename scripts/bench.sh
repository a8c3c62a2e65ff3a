#!/bin/sh
# Benchmarks: builds them, runs them and prints their tables. Not part of the tests: what they say depends on the machine,
# and only figures of one run compare. docs/performance.md says how to read them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"

usage() {
    cat <<'TEXT'
usage: scripts/bench.sh [--json] [--check] [--rounds N] [--requests N] [--archived N,N…] [--size F] [--svg FILE] [--markdown FILE] [PART...]

  PART            sandbox      what it costs to start a handler at each level, plain and in bubblewrap
                  throughput   1,000 merged requests at each level, beside the machine's own limit and a plain script
                  archive      first start and later passes beside records of many years
                  pending      10,000 requests at once: admission, memory
                  commands     --version, status and list beside records of many years
                  watch        from a push to the record on main; what an idle watch costs
                  scale        first start and passes beside 100,000 files of 2 GB, 500,000 commits, 200 kinds and 10,000 requests
                               that wait, for full, partial and shallow clones; needs 8 GB of disk and many minutes
                  (default: every part but scale)
  --rounds N      how often each is measured, in turn (default 3); the medians are shown
  --requests N    of the throughput (default 1000)
  --archived N,N  sizes of the archive (default 1000,100000,1000000); each is made once, which takes minutes, and kept
  --size F        of scale: 0.1 is a tenth of everything but the kinds (default 1); made once for each size, and kept
  --svg FILE      a chart of the figures beside what is promised
  --markdown FILE write the tables into a page, between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, as far as they were
                  measured whole: `targets` and `figures` by every part, `scale` by that part
  --json          one JSON document on standard output for the sandbox and one for the rest, instead of tables
  --check         fail where a promised figure is missed by more than a tenth in two of three tries
TEXT
}

options= sandbox= parts= arguments=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --json | --check) options="$options $1" ;;
    --rounds | --requests | --archived | --size | --svg | --markdown)
        [ $# -gt 1 ] || { usage >&2 && exit 2; }
        arguments="$arguments $1 $2"
        shift
        ;;
    sandbox) sandbox=1 ;;
    throughput | archive | pending | commands | watch | scale) parts="$parts $1" ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
if [ -z "$sandbox$parts" ]; then
    sandbox=1
    parts="throughput archive pending commands watch"
fi

bench_sandbox() {
    # shellcheck disable=SC2086 # a list of options
    cargo bench --quiet --locked --bench sandbox -- $options
}

# The program as a whole. The script that measures is Python, and so is one of the measuring sticks.
bench_dispatcher() {
    have python3 || fail "python3 is missing"
    if ! python3 -c 'import jsonschema, yaml' 2>/dev/null && may_install; then
        install "for the script to compare with" python3-jsonschema python3-yaml || say "going on without the script"
    fi
    # Called where `set -e` does not hold.
    cargo build --quiet --locked --release || return
    # Handlers at level `none` run as another user, who has to get there.
    mkdir -p "$target/bench" || return
    # shellcheck disable=SC2086 # lists of options and parts
    python3 "$root/benches/dispatcher/bench.py" --dispatch "$target/release/dispatch" --dir "$target/bench" \
        $options $arguments $parts
}

need_build_tools
need_toolchain
if ! have bwrap && may_install; then
    install "to compare with" bubblewrap || say "going on without bubblewrap"
fi
cd "$root"
# What one misses does not keep the other from being measured.
end=0
[ -z "$sandbox" ] || bench_sandbox || end=$?
[ -z "$parts" ] || bench_dispatcher || end=$?
exit "$end"
