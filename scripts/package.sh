#!/bin/sh
# A release: one static program, man pages, completions, deploy files, docs and checksums in an archive that comes out the same,
# byte by byte, from the same commit and toolchain.
#
#     scripts/package.sh            build, and write dist/dispatch-VERSION-TARGET.tar.gz and its .sha256
#     scripts/package.sh --check    build nothing: pack what `cargo build` has made, twice, and hold both against each other
#
# Static with musl where rustup has that target and musl-gcc is there, else with glibc (`crt-static`): that one looks users up in
# /etc/passwd and nowhere else (no LDAP, no sssd). SQLite and libgit2 are bundled either way. git, and ssh for a remote over ssh,
# are used from the machine.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
cd "$root"

check=
level=9
case ${1:-} in
'') ;;
--check) check=1 level=1 ;;
*) sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

# Not `version`: the set-up has one of its own.
release=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The time of everything in the archive: that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

host=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')
musl=$(printf '%s\n' "$host" | sed 's/-gnu$/-musl/')

# build: prints the path of the program.
build() {
    # Neither this machine's paths nor its user belong into the program.
    flags="--remap-path-prefix=$root=/src --remap-path-prefix=$cargo_home=/cargo -C target-feature=+crt-static"
    if have rustup && have musl-gcc && rustup target list --installed 2>/dev/null | grep -qx "$musl"; then
        triple=$musl
    else
        triple=$host
        say "no $musl here: static with glibc"
    fi
    # A target of its own, or build scripts and macros would be built static too.
    RUSTFLAGS=$flags CARGO_TARGET_DIR="$target/package" cargo build --quiet --release --locked --bin dispatch --target "$triple" >&2
    echo "$target/package/$triple/release/dispatch"
}

# must_be_static PROGRAM
must_be_static() {
    if have file; then
        file -b "$1" | grep -Eq 'static(ally|-pie) linked' || fail "$1 is not static: $(file -b "$1")"
    elif ldd "$1" >/dev/null 2>&1 && ldd "$1" 2>&1 | grep -q '=>'; then
        fail "$1 is not static: $(ldd "$1" | head -n 3)"
    fi
    say "$(file -b "$1" 2>/dev/null | cut -d, -f1-4 || true)"
}

# pack PROGRAM OUT: the archive.
pack() {
    stage=$(mktemp -d)
    name=dispatch-$release-${triple:-$host}
    top=$stage/$name
    mkdir -p "$top/bin" "$top/completions"
    command install -m 755 "$1" "$top/bin/dispatch"
    "$1" man "$top/man/man1" -q 2>/dev/null
    for shell in bash zsh fish; do "$1" completions "$shell" >"$top/completions/dispatch.$shell"; done
    cp -R deploy docs schemas LICENSE README.md CHANGELOG.md "$top/"
    find "$top" -type d -exec chmod 755 {} +
    find "$top" -type f ! -path "$top/bin/*" -exec chmod 644 {} +
    (cd "$top" && find . -type f | LC_ALL=C sort | xargs sha256sum) >"$stage/sums"
    command install -m 644 "$stage/sums" "$top/SHA256SUMS"
    # Order, owner, time and format do not depend on the machine; gzip writes no name and no time.
    tar -C "$stage" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
        gzip "-${level}n" >"$2"
    rm -rf "$stage"
}

if [ -n "$check" ]; then
    program=${DISPATCH_PROGRAM:-$target/debug/dispatch}
    [ -x "$program" ] || fail "there is no $program: cargo build"
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    umask 077
    pack "$program" "$out/one.tar.gz"
    umask 022
    pack "$program" "$out/two.tar.gz"
    cmp "$out/one.tar.gz" "$out/two.tar.gz" || fail "two archives of one commit differ"
    # One that was packed otherwise would be found out.
    SOURCE_DATE_EPOCH=$((SOURCE_DATE_EPOCH + 1))
    pack "$program" "$out/three.tar.gz"
    ! cmp -s "$out/one.tar.gz" "$out/three.tar.gz" || fail "the time of the commit is not in the archive"
    tar -xzf "$out/one.tar.gz" -C "$out"
    (cd "$out/dispatch-$release-$host" && sha256sum --quiet -c SHA256SUMS && bin/dispatch --version >/dev/null)
    tar -tzf "$out/one.tar.gz"
    exit 0
fi

need_build_tools
need_toolchain
triple=$host
if have rustup && have musl-gcc && rustup target list --installed 2>/dev/null | grep -qx "$musl"; then triple=$musl; fi
program=$(build)
must_be_static "$program"
mkdir -p dist
archive=dist/dispatch-$release-$triple.tar.gz
pack "$program" "$archive"
(cd dist && sha256sum "${archive#dist/}" >"${archive#dist/}.sha256")
say "$archive, $(($(wc -c <"$archive") / 1024)) KiB"
