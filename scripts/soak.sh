#!/bin/sh
# Long campaigns: whatever is worth more time than scripts/test.sh has. Faults (tests/durability/, the same code as the
# short slices among the tests) and fuzzing (fuzz/). What they find is shown with the command that repeats it, and stays a
# test from then on (ARCHITECTURE.md, "Tests"). Needs what scripts/test.sh needs; fuzzing needs a nightly toolchain and a
# C++ compiler as well.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
cd "$root"

usage() {
    cat <<'END'
usage: scripts/soak.sh [--minutes N] [--only NAME]... [--list]

Runs every campaign, one after the other, and ends with tables: what each fault came to (faults, requests, and how many of
those were lost, run or recorded twice, or torn), and campaign, runs, findings.

  --minutes N   time for all campaigns together, builds not counted (default: 10); a campaign of faults gets five times as
                much as one fuzzer
  --only NAME   this campaign, or all that begin with NAME, such as fault:kill or fuzz (may be given again)
  --list        the campaigns, and nothing is run

Exit code: 0 nothing was found, 1 something was found, 2 the command line is wrong, 69 nothing could be run.
Findings and corpora are kept in the target folder, below soak/; nothing is written into the repository.
END
}

# A campaign is one line here, `NAME function argument`. The function gets its argument and its seconds, and sets `runs`
# (a number, or - where there is none) and `findings` (a number, or a word why it was left out). It says itself what
# it found, and how to see it again.
campaigns() {
    for source in tests/durability/*.rs; do
        module=${source##*/}
        module=${module%.rs}
        sed -n 's/^fn campaign_\([a-z0-9_]*\)().*/\1/p' "$source" | while read -r campaign; do
            echo "fault:$campaign campaign_faults $module::campaign_$campaign"
        done
    done
    echo "fault:prefixes campaign_prefixes scenarios"
    for source in fuzz/fuzz_targets/*.rs; do
        target_name=${source##*/}
        echo "fuzz:${target_name%.rs} campaign_fuzz ${target_name%.rs}"
    done
}

# One campaign of faults: the test of that name, with more time. It repeats with the seed that it names.
campaign_faults() {
    program="--test durability"
    campaign_of "$@"
}

# The stories of tests/scenarios/, with the dispatcher ended at each step of its journal: needs another build of it.
campaign_prefixes() {
    program="--features planted --test prefixes"
    campaign_of "$@"
}

# The test $1 of $program, for $2 seconds.
campaign_of() {
    runs=-
    need_faults
    log=$soak/${1##*::}.log
    lines=$(wc -l <"$reports")
    # shellcheck disable=SC2086 # words of a command line
    DISPATCH_SOAK_SECONDS=$2 DISPATCH_SOAK_REPORT=$reports \
        cargo test --quiet --locked $program -- --exact "$1" --nocapture >"$log" 2>&1 && ended=0 || ended=$?
    runs=$(tail -n "+$((lines + 1))" "$reports" | report_sum faults)
    if [ "$ended" -eq 0 ]; then
        findings=0
        # A campaign that this machine cannot have says so and reports nothing.
        if [ "$(wc -l <"$reports")" = "$lines" ]; then
            findings="left out"
            grep -m 3 -i 'skipped' "$log" >&2 || true
        fi
        return 0
    fi
    findings=1
    tail -n 30 "$log" >&2
    say "$1 found something; all it said: $log
  again:  DISPATCH_SOAK_SECONDS=$2 DISPATCH_SOAK_SEED=<the seed above> cargo test $program -- --exact $1 --nocapture"
}

# Sums a figure of the reports that it reads.
report_sum() { python3 -c 'import json,sys; print(sum(json.loads(line)[sys.argv[1]] for line in sys.stdin))' "$1"; }

# What the campaigns reported, by the kind of fault, with the sum of all.
report_table() {
    python3 -c '
import json, sys
figures = ["faults", "requests", "lost", "duplicated", "torn"]
rows = {}
for line in sys.stdin:
    report = json.loads(line)
    row = rows.setdefault(report["fault"], [0] * len(figures))
    for index, figure in enumerate(figures):
        row[index] += report[figure]
if rows:
    rows["all"] = [sum(column) for column in zip(*rows.values())]
    print("\n%-52s %10s %10s %6s %11s %6s" % tuple(["fault"] + figures))
    for fault, row in rows.items():
        print("%-52s %10d %10d %6d %11d %6d" % tuple([fault] + row))
'
}

# The test program and what it needs, once a run.
need_faults() {
    [ "${faults_are_built:-}" != "$program" ] || return 0
    need_test_packages
    say "building the campaigns of faults"
    # shellcheck disable=SC2086 # words of a command line
    cargo test --quiet --locked $program --no-run || fail "the campaigns of faults could not be built"
    faults_are_built=$program
}

# The fuzzer of one target. Starts from the corpora of the repository and from what earlier campaigns learned.
campaign_fuzz() {
    runs=-
    need_fuzzer || { findings="left out"; return 0; }
    learned=$soak/corpus/$1
    found=$soak/findings/$1/$started
    mkdir -p "$learned" "$found"
    regressions=
    [ -d "fuzz/regressions/$1" ] && regressions=fuzz/regressions/$1
    log=$soak/$1.log
    # One finding ends the run of a target. -fork would go on, and use more than its share of the machine.
    # shellcheck disable=SC2086 # there may be no folder of regressions
    "$fuzzers/$1" "$learned" "fuzz/corpus/$1" $regressions \
        -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$found/" >"$log" 2>&1 && ended=0 || ended=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    : "${runs:=-}"
    findings=$(find "$found" -type f | wc -l)
    if [ "$ended" -ne 0 ] && [ "$findings" -eq 0 ]; then
        findings=1
        say "fuzz:$1 ended with $ended before it found anything; its last words:"
        tail -n 5 "$log" >&2
    fi
    for input in "$found"/*; do
        [ -e "$input" ] || continue
        grep -m 1 -A 3 'panicked at\|ERROR: ' "$log" >&2 || true
        say "fuzz:$1 found $input
  again:  $fuzzers/$1 $input
  keep:   mkdir -p fuzz/regressions/$1 && cp $input fuzz/regressions/$1/NAME && cargo test --test corpora $1"
    done
    rmdir "$found" 2>/dev/null || true
}

# The fuzzers, built once a run. `fuzzer` remembers how that went, and says why it did not only once.
need_fuzzer() {
    case ${fuzzer:-unknown} in
        built) return 0 ;;
        missing) return 1 ;;
    esac
    fuzzer=missing
    nightly=$(rustup toolchain list 2>/dev/null | cut -d' ' -f1 | grep -m 1 '^nightly' || true)
    if [ -z "$nightly" ]; then
        say "no nightly toolchain is installed, the fuzzers are left out. With a network: rustup toolchain install nightly
  (what was found so far is replayed on stable all the same, by cargo test --test corpora)"
        return 1
    fi
    if ! have c++ && ! { may_install && install "for the fuzzer's own runtime" g++; }; then
        say "no C++ compiler is installed, the fuzzers are left out. As root: apt-get install g++"
        return 1
    fi
    need_tool cargo-fuzz || { say "cargo-fuzz could not be built, the fuzzers are left out"; return 1; }
    say "building the fuzzers (the first time that takes some minutes)"
    # Without a sanitizer: there is no unsafe code here to watch, and it would slow every run down.
    # Cargo would bring the lock file up to date with the program's; that is for a commit to do.
    cp fuzz/Cargo.lock "$soak/Cargo.lock"
    RUSTUP_TOOLCHAIN=$nightly CARGO_TARGET_DIR="$target/fuzz" cargo fuzz build --sanitizer none \
        >"$soak/build.log" 2>&1 && built=0 || built=$?
    if ! cmp -s fuzz/Cargo.lock "$soak/Cargo.lock"; then
        say "fuzz/Cargo.lock is behind Cargo.toml: cargo update --workspace --manifest-path fuzz/Cargo.toml"
        cp "$soak/Cargo.lock" fuzz/Cargo.lock
    fi
    if [ "$built" -ne 0 ]; then
        tail -n 20 "$soak/build.log" >&2
        fail "the fuzzers could not be built: $soak/build.log"
    fi
    fuzzers=$target/fuzz/$(rustc -vV | sed -n 's/^host: //p')/release
    fuzzer=built
}

minutes=10
only=
list=
while [ $# -gt 0 ]; do
    case $1 in
        --minutes | --only)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            if [ "$1" = --minutes ]; then minutes=$2; else only="$only $2"; fi
            shift
            ;;
        --list) list=1 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
case $minutes in
    '' | *[!0-9]* | 0) say "--minutes takes a whole number from 1 on"; exit 2 ;;
esac

# The campaigns that are asked for.
chosen=$(campaigns | while read -r name rest; do
    for word in ${only:-"$name"}; do
        case $name in "$word"*) echo "$name $rest"; break ;; esac
    done
done)
[ -n "$chosen" ] || { say "no campaign is called$only; --list names them"; exit 2; }
if [ -n "$list" ]; then
    echo "$chosen" | cut -d' ' -f1
    exit 0
fi

need_build_tools
need_toolchain
PATH="$PATH:$target/tools/bin"
started=$(date -u +%Y%m%dT%H%M%SZ)
soak=$target/soak
mkdir -p "$soak"
table=$soak/table
reports=$soak/reports
: >"$table"
: >"$reports"
share_of() { case $1 in fault:*) echo 5 ;; *) echo 1 ;; esac; }
shares=0
for name in $(echo "$chosen" | cut -d' ' -f1); do
    shares=$((shares + $(share_of "$name")))
done

any=0 ran=0
while read -r name function argument; do
    seconds=$((minutes * 60 * $(share_of "$name") / shares))
    [ "$seconds" -gt 0 ] || seconds=1
    say "$name, $seconds s"
    "$function" "$argument" "$seconds" </dev/null
    case $findings in
        *[!0-9]*) ;;
        0) ran=1 ;;
        *) any=1 ran=1 ;;
    esac
    printf '%-24s %12s %10s\n' "$name" "$runs" "$findings" >>"$table"
done <<END
$chosen
END

report_table <"$reports"
printf '\n%-24s %12s %10s\n' campaign runs findings
cat "$table"
[ "$ran" = 1 ] || fail "nothing could be run"
exit "$any"
