The folder for handlers without a view of their own is never taken from somebody who made it first: as root such requests are held, and say so.
--- host
levels: {none: [bare]}
--- file handlers/index.yml
bare: {run: handlers/bare.sh, sandbox: {level: none}}
--- file handlers/bare.sh
#!/bin/sh
echo ran
--- file requests/a.yml
kind: bare
--- run 69
mkdir .git/dispatch.open && chown 12345 .git/dispatch.open
dispatch run
--- stderr has
sandbox_unavailable: scratch:
dispatch.open` is not a folder of the dispatcher's user
--- run
rmdir .git/dispatch.open && ln -s /var .git/dispatch.open
dispatch run || echo held
rm .git/dispatch.open
dispatch run
--- stdout
held
--- content logs/a/status.yml outcome
outcome: succeeded
