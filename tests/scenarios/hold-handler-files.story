A handler that is missing, outside the repository, without interpreter or with a carriage return in its first line holds its kind with 78; `check` says the same before the merge.
--- file handlers/index.yml
missing: handlers/nowhere.sh
outside: ../outside.sh
absolute: /usr/bin/id
link: handlers/link.sh
plain: handlers/plain
crlf: handlers/crlf.sh
works: handlers/works.sh
--- file handlers/plain
echo no interpreter
--- file handlers/works.sh
#!/bin/sh
--- link handlers/link.sh /usr/bin/id
--- file requests/missing.yml
kind: missing
--- file requests/outside.yml
kind: outside
--- file requests/absolute.yml
kind: absolute
--- file requests/link.yml
kind: link
--- file requests/plain.yml
kind: plain
--- file requests/crlf.yml
kind: crlf
--- file requests/works.yml
kind: works
--- run 78
printf '#!/bin/sh\r\necho hello\r\n' > handlers/crlf.sh
merge crlf
dispatch run
--- stderr has
handlers/nowhere.sh
--- stderr has
handlers/plain
--- stderr has
handlers/crlf.sh
--- tree requests processed
processed/works.yml
requests/absolute.yml
requests/crlf.yml
requests/link.yml
requests/missing.yml
requests/outside.yml
requests/plain.yml
--- run 78
dispatch check
--- again 78
