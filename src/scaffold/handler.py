#!/usr/bin/env python3
"""@KIND@: @DESCRIPTION@

    spec:   @SPEC@   (schemas/@KIND@.schema.json says what may stand there)
    result: the same, in the record's status.yml
    leaves: report.txt, beside it
    exits:  0 done, 64 the spec cannot be used, 75 try again (where the kind allows it), anything else failed

Called with `<request file> <log folder>`, in the repository's top folder; the request comes as one JSON document on standard
input. What is printed becomes the log. Only the standard library is sure to be there.
"""

import json
import os
import sys


class Stop(Exception):
    """Ends the run with an exit code and one line that says why."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main(argv):
    if len(argv) != 3:
        raise Stop(64, "usage: @KIND@.py <request file> <log folder> < request.json")
    log_folder = argv[2]
    spec = json.load(sys.stdin)["spec"]
    # The schema has seen to it that these are there.
@READ@

    # The work, which is yours to write: safe to run again, where that can be had.
    print(f"@KIND@: @PRINTED@ (attempt {os.environ.get('DISPATCH_ATTEMPT', '1')})")

    # A file in the log folder is kept with the record.
    with open(os.path.join(log_folder, "report.txt"), "w", encoding="utf-8") as report:
        report.write(f"@REPORT@")

    # JSON in this file stands in the record as `result`.
    with open(os.environ["DISPATCH_RESULT"], "w", encoding="utf-8") as result:
        json.dump({@RESULT@}, result)


if __name__ == "__main__":
    try:
        main(sys.argv)
    except Stop as stop:
        print(f"@KIND@: {stop}", file=sys.stderr)
        sys.exit(stop.code)
