Two rows of one kind are a fault of the index: nothing of that kind runs by guess.
--- file handlers/index.yml
deploy: handlers/deploy.sh
deploy: handlers/other.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file handlers/other.sh
#!/bin/sh
--- file requests/a.yml
kind: deploy
--- run 78
dispatch run
--- stderr has
handlers/index.yml:2:1
--- tree requests processed
requests/a.yml
--- again 78
