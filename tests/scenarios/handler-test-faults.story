What is wrong with a row, a handler's file, its line ends or its schema is told by `handler test` in the words of `check`, with 78.
--- remote none
--- file handlers/index.yml
look: handlers/look.sh
--- file handlers/look.sh
#!/bin/sh
echo fine
--- file draft.yml
kind: look
--- run 78
echo 'look: {rnu: handlers/look.sh}' > handlers/index.yml
dispatch handler test look draft.yml
--- stderr has
handlers/index.yml:1:8: error[E0502]: unknown key `rnu`
did you mean `run`?
--- run 78
echo 'look: handlers/lok.sh' > handlers/index.yml
dispatch handler test look draft.yml
--- stderr has
error[E0901]: handler `handlers/lok.sh` does not exist
did you mean `handlers/look.sh`?
--- run 78
echo 'look: handlers/look.sh' > handlers/index.yml
printf '#!/bin/sh\r\necho fine\r\n' > handlers/look.sh
dispatch handler test look draft.yml
--- stderr has
error[E0904]
ends in a carriage return (CRLF)
*.sh text eol=lf
--- run 78
cp /bin/true handlers/look.sh
chmod 644 handlers/look.sh
dispatch handler test look draft.yml
--- stderr has
error[E0907]
git update-index --chmod=+x handlers/look.sh
--- run 78
printf '#!/bin/sh\necho fine\n' > handlers/look.sh
mkdir schemas
echo '{"type": "strin"}' > schemas/look.schema.json
dispatch handler test look draft.yml
--- stderr has
schemas/look.schema.json:1:10: error[E0604]
--- run 78
dispatch check draft.yml
--- stdout has
schemas/look.schema.json:1:10: error[E0604]
--- run 78
echo 'look: [' > handlers/index.yml
dispatch handler test look draft.yml
--- stderr has
handlers/index.yml
--- run 1
echo 'look: handlers/look.sh' > handlers/index.yml
rm schemas/look.schema.json
printf '#!/usr/bin/no-such-interpreter\n' > handlers/look.sh
dispatch handler test look draft.yml
--- stdout has
failed: not_started
no-such-interpreter
--- again off
