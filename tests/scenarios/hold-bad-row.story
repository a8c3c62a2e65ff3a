A malformed row holds its own kind and no other; the pass ends with 78 and names the place.
--- file handlers/index.yml
deploy: handlers/deploy.sh
backup:
  run: handlers/deploy.sh
  tiemout: 5m
restore: 17
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/a.yml
kind: deploy
--- file requests/b.yml
kind: backup
--- file requests/c.yml
kind: restore
--- run 78
dispatch run
--- stderr has
handlers/index.yml:4:3
did you mean `timeout`?
--- stderr has
handlers/index.yml:5:
--- tree requests processed
processed/a.yml
requests/b.yml
requests/c.yml
--- again 78
