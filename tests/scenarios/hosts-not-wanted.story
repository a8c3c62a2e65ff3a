A server that takes no refs for what hosts say is told of once and left alone; passes go on as if nothing were.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
printf '#!/bin/sh\ncase $1 in refs/dispatch/*) echo "$1" >> %s/tmp/asked; echo only branches here >&2; exit 1;; esac\n' "$STORY" > "$STORY/origin.git/hooks/update"
chmod 755 "$STORY/origin.git/hooks/update"
dispatch run
cat "$STORY/tmp/asked"
--- stdout
refs/dispatch/hosts/story
--- stderr has
1 succeeded; 1 published
--- run
mkdir -p requests && printf 'kind: greet\n' > requests/b.yml
merge two
dispatch run
wc -l < "$STORY/tmp/asked"
--- stdout has
1
--- stderr lacks
takes no refs
--- tree requests processed
processed/a.yml
processed/b.yml
