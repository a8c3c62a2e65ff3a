A handler gets the request file and the log folder, relative to the repository root; it sees only its own request and log folder.
--- file handlers/index.yml
look: handlers/look.sh
--- file handlers/look.sh
#!/bin/sh
echo "arguments: $1 $2"
echo "same: $DISPATCH_REQUEST $DISPATCH_LOG_DIR"
test -f "$1" && test -d "$2" && test -f README.md && echo "files there"
test "$DISPATCH_COMMIT" && echo "commit there"
echo requests: $(ls requests)
echo logs: $(ls logs)
test -e .git || echo "no git here"
--- file README.md
read me
--- file logs/old/status.yml
status: success
--- file requests/a.yml
kind: look
--- file requests/b.yml
kind: look
--- run
dispatch run
--- content logs/a/handler.log
arguments: requests/a.yml logs/a
same: requests/a.yml logs/a
files there
commit there
requests: a.yml
logs: a
no git here
