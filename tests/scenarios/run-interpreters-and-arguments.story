Interpreters take what the first line says, as the kernel would; words of a list arrive as they were written and pass through no shell; a missing interpreter is named.
--- host
read: {own: ["[STORY]/tools"]}
--- file handlers/index.yml
env-s: handlers/unbuffered
options: handlers/options
program: handlers/program
bare-python: handlers/bare.py
verbatim:
  run:
    - handlers/arguments.py
    - "two words"
    - "it's \"quoted\""
    - "$(touch made) `touch made` $HOME ~ *"
    - "; touch made"
    - "two\nlines"
    - "-rf"
    - "--"
    - ""
own: {run: ["[STORY]/tools/reader", handlers/read.me], sandbox: {read: ["[STORY]/tools"]}}
missing: {run: [/opt/nowhere/bin/python, handlers/bare.py]}
missing-line: handlers/missing
--- file handlers/unbuffered
#!/usr/bin/env -S python3 -u
import sys
print(sys.flags.unbuffered, sys.stdout.write_through)
--- file handlers/options 755
#!/bin/sh -eu
echo "$-" | tr -d '\n' | grep -o '[eu]'
--- file handlers/bare.py
print("ran")
--- file handlers/arguments.py
import json, os, sys
for word in sys.argv[1:]:
    print(json.dumps(word))
print(os.path.exists("made"))
--- file handlers/read.me
line of the handler
--- file handlers/missing
#!/opt/nowhere/bin/ruby -w
--- file requests/env-s.yml
kind: env-s
--- file requests/options.yml
kind: options
--- file requests/program.yml
kind: program
--- file requests/bare-python.yml
kind: bare-python
--- file requests/verbatim.yml
kind: verbatim
--- file requests/own.yml
kind: own
--- file requests/missing.yml
kind: missing
--- file requests/missing-line.yml
kind: missing-line
--- run
mkdir ../tools
printf '#!/bin/sh\nread -r line < "$1"; echo "$0: $line"\n' > ../tools/reader
chmod -R a+rx ../tools
cp /bin/echo handlers/program
chmod +x handlers/program
merge program
dispatch run
--- content logs/env-s/handler.log
Traceback (most recent call last):
  File "/repo/handlers/unbuffered", line 3, in <module>
    print(sys.flags.unbuffered, sys.stdout.write_through)
          ^^^^^^^^^^^^^^^^^^^^
AttributeError: 'sys.flags' object has no attribute 'unbuffered'
--- content logs/options/handler.log
u
e
--- content logs/program/handler.log
requests/program.yml logs/program
--- content logs/bare-python/handler.log
ran
--- content logs/verbatim/handler.log
"two words"
"it's \"quoted\""
"$(touch made) `touch made` $HOME ~ *"
"; touch made"
"two\nlines"
"-rf"
"--"
""
"requests/verbatim.yml"
"logs/verbatim"
False
--- content logs/own/handler.log
[STORY]/tools/reader: line of the handler
--- content has logs/missing/status.yml
outcome: failed
starting `/opt/nowhere/bin/python`: No such file or directory
install it below /usr
--- content has logs/missing-line/status.yml
outcome: failed
starting `/opt/nowhere/bin/ruby`: No such file or directory
