A claim that lands on the remote after everything was over (a push that nobody waited for any more): the next pass sweeps it, and nothing is run.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
--- run
# The server remembers what it was asked for.
printf '#!/bin/sh\ngrep "refs/dispatch/\\(claims\\|locks\\)/" >> %s/tmp/asked\nexit 0\n' "$STORY" > "$STORY/origin.git/hooks/post-receive"
chmod 755 "$STORY/origin.git/hooks/post-receive"
dispatch -q run
rm "$STORY/origin.git/hooks/post-receive"
head -2 "$STORY/tmp/asked" | while read -r old new ref; do origin update-ref "$ref" "$new"; done
origin for-each-ref refs/dispatch/claims refs/dispatch/locks | wc -l
dispatch run 2>&1
origin for-each-ref refs/dispatch/claims refs/dispatch/locks | wc -l
--- stdout
2
nothing new
0
--- history
executor: [UUID] rc=0
start
