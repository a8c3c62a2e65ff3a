A missing index holds everything with 78 and names the file.
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/a.yml
kind: deploy
--- run 78
dispatch run
--- stderr has
handlers/index.yml
--- tree requests processed
requests/a.yml
--- again 78
