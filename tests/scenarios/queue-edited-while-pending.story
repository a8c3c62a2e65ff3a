Until its first start a request is read at the tip of each pass: an edit takes effect, a deletion withdraws it.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
cat "$1"
--- file requests/edit.yml
kind: greet
not_before: 2999-01-01T00:00:00Z
--- file requests/gone.yml
kind: greet
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
printf 'kind: greet\nspec: {edited: true}\n' > requests/edit.yml
git rm -q requests/gone.yml
merge edit
dispatch run
--- tree requests processed
processed/edit.yml
--- content logs/edit/handler.log
kind: greet
spec: {edited: true}
