#!/bin/sh
# @KIND@: @DESCRIPTION@
#
#   spec:   @SPEC@   (schemas/@KIND@.schema.json says what may stand there)
#   result: the same, in the record's status.yml
#   leaves: report.txt, beside it
#   exits:  0 done, 64 the spec cannot be used, 75 try again (where the kind allows it), anything else failed
#
# Called with `<request file> <log folder>`, in the repository's top folder; the request comes as one line of JSON on standard
# input. What is printed becomes the log. A value of a request is never part of what a shell reads as a command: it stands in a
# variable, and the variable in double quotes.
set -eu

stop() {
    code=$1
    shift
    printf '@KIND@: %s\n' "$*" >&2
    exit "$code"
}

[ "$#" -eq 2 ] || stop 64 'usage: @KIND@.sh <request file> <log folder> < request.json'
log_folder=$2

# A shell has no JSON parser. This reads flat text exactly as long as none of it holds a quote, a brace or a backslash, which
# the schema rules out. For more than that use jq, or Python.
request=$(cat)
spec=${request#*\"spec\":\{}
spec=${spec%%\}*}
case $spec in
    *\\*) stop 64 'this handler reads no text that holds a quote, a backslash or a control character' ;;
esac
field() {
    printf '%s\n' "$spec" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

@READ@

# --- the work, which is yours to write: safe to run again, where that can be had ---
printf '@KIND@: @PRINTED@ (attempt %s)\n' @VALUES@ "${DISPATCH_ATTEMPT:-1}"

# A file in the log folder is kept with the record.
printf '@REPORT@' @VALUES@ > "$log_folder/report.txt"

# JSON in this file stands in the record as `result`.
printf '{@RESULT@}\n' @VALUES@ > "$DISPATCH_RESULT"
