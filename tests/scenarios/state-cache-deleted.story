The dispatcher's own bare repository is a cache: deleted between two passes, it is fetched anew.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch run
rm -rf .git/dispatch/repo.git
mkdir -p requests
printf 'kind: greet\n# second\n' > requests/b.yml
merge second
dispatch run
--- tree requests processed
processed/a.yml
processed/b.yml
