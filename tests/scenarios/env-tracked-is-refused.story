A dispatcher.env that is committed is not read: what everybody can merge must not configure the machine.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file dispatcher.env
GIT_USER_NAME=Mallory
GIT_USER_EMAIL=mallory@example.com
--- file requests/a.yml
kind: greet
--- run
dispatch run
--- stderr has
dispatcher.env
--- run
origin log --format='%an'
--- stdout lacks
Mallory
--- again off
