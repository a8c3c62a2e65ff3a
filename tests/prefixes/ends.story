Every way in which a request ends, all in one pass.
--- host
write: {once: [[STORY]/tmp/witness], once-fails: [[STORY]/tmp/witness], once-slow: [[STORY]/tmp/witness], once-killed: [[STORY]/tmp/witness], once-says: [[STORY]/tmp/witness], again: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
once-fails: {run: handlers/once-fails.sh, sandbox: {write: [[STORY]/tmp/witness]}}
once-slow: {run: handlers/once-slow.sh, sandbox: {write: [[STORY]/tmp/witness]}, timeout: 100ms, grace: 100ms}
once-killed: {run: handlers/once-killed.sh, sandbox: {write: [[STORY]/tmp/witness]}}
once-says: {run: handlers/once-says.sh, sandbox: {write: [[STORY]/tmp/witness]}}
again: {run: handlers/again.sh, sandbox: {write: [[STORY]/tmp/witness]}, delivery: at-least-once}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file handlers/once-fails.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
exit 3
--- file handlers/once-slow.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
exec sleep 600
--- file handlers/once-killed.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
kill -9 $$
--- file handlers/once-says.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo "status: failure" > "$2/status.yml"; echo kept > "$2/kept.txt"
--- file handlers/again.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- file requests/b.yml
kind: once-fails
--- file requests/c.yml
kind: once-slow
--- file requests/d.yml
kind: once-killed
--- file requests/e.yml
kind: once-says
--- file requests/f.yml
kind: again
--- file requests/g.yml
kind: unheard-of
--- file requests/h.yml
kind: once
expires: 2026-01-03T00:00:00Z
--- file requests/i.yml
kind: once
nothing: known
--- run
dispatch run --jobs 2
