A shebang is enough, executable or not; .sh and .py run without one; a list may begin with an absolute program.
--- file handlers/index.yml
by-shebang: handlers/plain
by-mode: handlers/mode
by-suffix: handlers/suffix.sh
by-list: {run: [/usr/bin/env, LETTER=x, /bin/sh, handlers/suffix.sh]}
--- file handlers/plain
#!/bin/sh
echo ran
--- file handlers/mode 755
#!/bin/sh
echo ran
--- file handlers/suffix.sh
echo "ran $LETTER"
--- file requests/a.yml
kind: by-shebang
--- file requests/b.yml
kind: by-mode
--- file requests/c.yml
kind: by-suffix
--- file requests/d.yml
kind: by-list
--- run
dispatch run --strict
--- content logs/a/handler.log
ran
--- content logs/b/handler.log
ran
--- content logs/c/handler.log
ran
--- content logs/d/handler.log
ran x
