On a terminal `submit` asks for what is required and missing, holds each answer against the schema, and shows the whole before it goes out.
--- file handlers/index.yml
greet: {run: handlers/greet.sh, description: Says hello.}
--- file handlers/greet.sh
#!/bin/sh
--- file schemas/greet.schema.json
{"type": "object", "additionalProperties": false, "required": ["name", "mode", "times", "loud"], "properties": {
"name": {"type": "string", "description": "who to greet", "pattern": "^[A-Z]"}, "mode": {"enum": ["soft", "loud"]}, "times": {"type": "integer", "maximum": 9}, "loud": {"type": "boolean"}}}
--- run
cat > "$STORY/talk.py" <<'END'
import os, pty, re, select, sys
talk = [line.split("|") for line in sys.argv[1].split("||")]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp("dispatch", ["dispatch", "submit", *sys.argv[2:]])
seen, at = b"", 0
def read(wait):
    global seen
    if not select.select([terminal], [], [], wait)[0]:
        raise SystemExit("waited in vain in %r" % seen[at:])
    try:
        found = os.read(terminal, 4096)
    except OSError:
        return False
    # A terminal that is asked where its cursor is says so.
    if b"\x1b[6n" in found:
        os.write(terminal, b"\x1b[1;1R")
    seen += found
    return bool(found)
for question, answer in talk:
    while question.encode() not in seen[at:]:
        if not read(60):
            raise SystemExit("it ended before %r: %r" % (question, seen[at:]))
    at = len(seen)
    os.write(terminal, answer.encode().replace(b"DOWN", b"\x1b[B").replace(b"BACK", b"\x7f" * 9).replace(b"ESC", b"\x1b") + (b"" if answer == "ESC" else b"\r"))
while read(60):
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
python3 "$STORY/talk.py" 'name?|ada||match|BACKAda||mode?|DOWN||times?|many||whole|BACK10||9|BACK3||loud?|y||Submit it?|y' greet --name ada
origin show main:requests/ada.yml
--- stdout
kind: greet
id: [UUID]
spec:
  name: Ada
  mode: loud
  times: 3
  loud: true
--- run 1
python3 "$STORY/talk.py" 'name?|ESC' greet --name eve
--- run 1
python3 "$STORY/talk.py" 'name?|Eve||Submit it?|n' greet -s mode=soft -s times=1 -s loud=false
--- history
request: greet (ada)
start
--- run
dispatch run
