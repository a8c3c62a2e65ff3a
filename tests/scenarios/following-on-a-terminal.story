On a terminal a line says how far a wait and a pass are; elsewhere, and with `--quiet`, there is none.
--- host
levels: {none: [hold]}
--- file handlers/index.yml
hold: {run: handlers/hold.sh, sandbox: {level: none}}
--- file handlers/hold.sh
#!/bin/sh
until [ -e "$(grep -o '/[^ ]*/go' "$1")" ]; do sleep 0.02; done
--- run
cat > "$STORY/terminal.py" <<'END'
import os, pty, sys
# Types a command on a terminal; a file is made once a word is shown.
word, file, *command = sys.argv[1:]
def read(terminal):
    shown = os.read(terminal, 4096)
    if word.encode() in shown:
        open(file, "w").close()
    return shown
sys.exit(os.waitstatus_to_exitcode(pty.spawn(command, read)))
END
mkdir -p requests
printf 'kind: hold\nspec: {file: %s/tmp/go}\n' "$STORY" > requests/a.yml
printf 'kind: hold\nspec: {file: %s/tmp/go}\nnot_before: 2999-01-01T00:00:00Z\n' "$STORY" > requests/later.yml
merge two
export TERM=xterm
python3 "$STORY/terminal.py" '1 running' "$STORY/tmp/go" dispatch run < /dev/null | tr '\r' '\n'
--- stdout has
1 running
1 succeeded; 1 published
--- run 124
export TERM=xterm
python3 "$STORY/terminal.py" nothing "$STORY/tmp/none" dispatch wait a later --timeout 200ms < /dev/null > "$STORY/tmp/shown" || code=$?
tr '\r' '\n' < "$STORY/tmp/shown"
exit $code
--- stdout has
a succeeded
1 of 2 ended; later: held
--- run 124
export TERM=xterm
python3 "$STORY/terminal.py" nothing "$STORY/tmp/none" dispatch -q wait a later --timeout 200ms < /dev/null > "$STORY/tmp/shown" || code=$?
tr '\r' '\n' < "$STORY/tmp/shown"
exit $code
--- stdout lacks
1 of 2 ended
--- run 124
dispatch wait later --timeout 200ms 2>&1
--- stdout lacks
[0s]
