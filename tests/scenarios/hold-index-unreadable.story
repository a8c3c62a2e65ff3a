An index that does not parse holds everything with 78, loses nothing, and the next commit mends it.
--- file handlers/index.yml
deploy: handlers/deploy.sh
backup: [unclosed
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/a.yml
kind: deploy
--- run 78
dispatch run
--- stderr has
handlers/index.yml:
--- tree requests processed
requests/a.yml
--- run 78
dispatch check
--- run
echo 'deploy: handlers/deploy.sh' > handlers/index.yml
merge mend
dispatch run
--- tree requests processed
processed/a.yml
