#!/bin/sh
# deploy: publish a folder of this repository below a folder of the host, as a release.
#
#   spec:   {source: folder in the repository, target: absolute host folder, keep: how many releases stay (default 5)}
#   makes:  <target>/releases/<UTC stamp>-<last eight digits of the id>   complete before it can be seen
#           <target>/current -> releases/<...>                            switched in one rename
#   result: {"release", "previous", "files", "bytes"}
#   exits:  0 done, 64 the spec cannot be used, 73 the target cannot be used, 75 copying failed: try again
#
# Safe to run again: the same request finds its own release and only switches `current` to it. One run at a time per
# target is the dispatcher's business (the `resource` of the router table).
#
# Needs a POSIX sh with the GNU or BusyBox tools (mv -T), and neither jq nor Python.
set -eu
LC_ALL=C
export LC_ALL
umask 022
unset CDPATH

stop() {
    code=$1
    shift
    printf 'deploy: %s\n' "$*" >&2
    exit "$code"
}

# --- the spec -------------------------------------------------------------------------------------------------------
# A shell has no JSON parser, so this reads a subset exactly and refuses the rest: without a backslash anywhere, a JSON
# string is what stands between two quotes, and splitting at quotes and punctuation is the whole grammar. Backslashes
# stand only for quotes, backslashes and control characters, which the schema refuses in paths anyway.
document=$(tr '\n\r\t' '   ')
case $document in
    '') stop 64 'there is no request on standard input' ;;
    *\\*) stop 64 'this handler reads no request that holds a quote, a backslash or a control character' ;;
esac
tokens=$(printf '%s\n' "$document" | sed -e 's/"[^"]*"/\
&\
/g' | sed -e '/^"/!s/[][{}:,]/\
&\
/g' | sed -e '/^"/!s/ //g' -e '/^$/d')

source='' target='' keep=5
depth=0 section='' key='' last=''
while IFS= read -r token; do
    case $token in
        '{' | '[')
            depth=$((depth + 1))
            if [ "$depth" -eq 2 ]; then section=$key; fi
            key=''
            ;;
        '}' | ']') depth=$((depth - 1)) key='' ;;
        ':') key=$last ;;
        ',') key='' ;;
        *)
            if [ "$depth" -eq 2 ] && [ "$section" = '"spec"' ] && [ -n "$key" ]; then
                value=${token#\"}
                value=${value%\"}
                case $key in
                    '"source"') source=$value ;;
                    '"target"') target=$value ;;
                    '"keep"') keep=$value ;;
                    *) stop 64 "unknown key $key in spec; known: source, target, keep" ;;
                esac
            fi
            last=$token
            ;;
    esac
done <<END
$tokens
END

case /$source/ in
    // | /./) stop 64 'spec.source must name a folder of the repository' ;;
    //*) stop 64 "spec.source \`$source\` must be relative to the repository" ;;
    */../*) stop 64 "spec.source \`$source\` must not hold \`..\`" ;;
esac
case $target/ in
    / | //*) stop 64 "spec.target \`$target\` must be a folder below the root" ;;
    */../* | */./*) stop 64 "spec.target \`$target\` must not hold \`.\` or \`..\`" ;;
    /*) ;;
    *) stop 64 "spec.target \`$target\` must be an absolute path" ;;
esac
case $keep in
    '' | *[!0-9]* | 0* | ????*) stop 64 "spec.keep \`$keep\` must be a number from 1 to 999" ;;
esac

id=${DISPATCH_ID:-}
case $id in
    *[!0-9a-f-]*) stop 64 "DISPATCH_ID \`$id\` is not a UUID in lower case" ;;
esac
id8=${id#"${id%????????}"}
case $id8 in
    [0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]) ;;
    *) stop 64 "DISPATCH_ID \`$id\` is not a UUID in lower case" ;;
esac

# --- the source: a real folder inside the repository, plain files and folders only ------------------------------------
root=$(pwd -P)
if [ ! -d "./$source" ]; then stop 64 "spec.source \`$source\` is no folder of the repository"; fi
real=$(cd -P "./$source" && pwd -P) || stop 64 "spec.source \`$source\` cannot be entered"
case $real/ in
    "$root"/?*) ;;
    *) stop 64 "spec.source \`$source\` leads out of the repository" ;;
esac
odd=$(find "$real" ! -type f ! -type d | head -n 1)
if [ -n "$odd" ]; then
    stop 64 "\`$source${odd#"$real"}\` is a link or a special file; a release holds plain files and folders only"
fi

# --- the target -------------------------------------------------------------------------------------------------------
mkdir -p "$target/releases" || stop 73 "creating \`$target/releases\` failed: may this kind write there?"
if [ -e "$target/current" ] && [ ! -L "$target/current" ]; then
    stop 73 "\`$target/current\` is no link; move it away first"
fi
releases=$target/releases

# What a killed attempt left half done was never visible under a release's name.
rm -rf "$releases"/.incoming-* "$releases"/.pruned-* "$target"/.current-*

incoming=$releases/.incoming-$id
next=$target/.current-$id
trap 'rm -rf "$incoming" "$next"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

is_release() {
    case $1 in
        [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]) ;;
        *) return 1 ;;
    esac
}

# An earlier attempt of this request may have finished the copy. It counts only where every byte is there: a power cut
# can leave a renamed folder with empty files.
release=''
for folder in "$releases"/*-"$id8"; do
    if is_release "${folder##*/}" && diff -r "$real" "$folder" > /dev/null 2>&1; then
        release=${folder##*/}
        printf 'release %s is already there\n' "$release"
    fi
done

if [ -z "$release" ]; then
    release=$(date -u +%Y%m%dT%H%M%SZ)-$id8
    if [ -e "$releases/$release" ]; then stop 75 "\`$releases/$release\` is there and differs; trying again takes a new stamp"; fi
    mkdir "$incoming" || stop 73 "creating \`$incoming\` failed"
    cp -R "$real/." "$incoming" || stop 75 "copying \`$source\` to \`$incoming\` failed"
    # The repository's view is read-only and may be private; what is served must be neither.
    chmod -R u=rwX,go=rX "$incoming"
    sync -f "$incoming" 2> /dev/null || sync
    mv -T "$incoming" "$releases/$release" || stop 75 "renaming \`$incoming\` to \`$release\` failed"
    printf 'release %s is complete\n' "$release"
fi

previous=$(readlink "$target/current" || true)
previous=${previous##*/}
is_release "$previous" || previous=''
if [ "$previous" = "$release" ]; then
    previous=''
else
    ln -s "releases/$release" "$next"
    mv -T "$next" "$target/current" || stop 75 "switching \`$target/current\` failed"
    printf 'current -> releases/%s\n' "$release"
fi
sync -f "$target" 2> /dev/null || sync

# --- prune: the oldest first, by name, and never the one that is current ------------------------------------------------
count=0
for folder in "$releases"/*; do
    if is_release "${folder##*/}"; then count=$((count + 1)); fi
done
for folder in "$releases"/*; do
    if [ "$count" -le "$keep" ]; then break; fi
    name=${folder##*/}
    if ! is_release "$name" || [ "$name" = "$release" ]; then continue; fi
    mv -T "$folder" "$releases/.pruned-$name"
    rm -rf "$releases/.pruned-$name"
    count=$((count - 1))
    printf 'pruned %s\n' "$name"
done

# One character a file, whatever the names hold.
files=$(find "$releases/$release" -type f -exec printf '%.0sx' {} + | wc -c)
bytes=$(find "$releases/$release" -type f -exec cat {} + | wc -c)
if [ -n "$previous" ]; then previous="\"$previous\""; else previous=null; fi
result=$(printf '{"release":"%s","previous":%s,"files":%d,"bytes":%d}' "$release" "$previous" "$files" "$bytes")
if [ -n "${DISPATCH_RESULT:-}" ]; then
    printf '%s\n' "$result" > "$DISPATCH_RESULT"
else
    printf '%s\n' "$result"
fi
