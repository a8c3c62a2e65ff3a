A server that does not let claims come and go cannot have `claims: remote`: that is said at the first pass, with its own words, and nothing is started.
--- host
node: web-1
claims: remote
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/a.yml
kind: once
--- file requests/bad.yml
kind: nothing
--- run 78
printf '#!/bin/sh\ncase $1 in refs/dispatch/*) echo only branches here >&2; exit 1;; esac\n' > "$STORY/origin.git/hooks/update"
chmod 755 "$STORY/origin.git/hooks/update"
dispatch run
--- stderr has
`claims: remote` needs a server that lets refs below `refs/dispatch/` be made and deleted
only branches here
--- run 78
rm "$STORY/origin.git/hooks/update"
origin config receive.advertiseAtomic false
dispatch run
--- stderr has
does not support --atomic push
--- run 78
origin config receive.advertiseAtomic true
origin config uploadpack.hideRefs refs/dispatch
dispatch run
--- stderr has
and does not show it
--- tree requests processed logs
requests/a.yml
requests/bad.yml
--- run
origin config uploadpack.hideRefs refs/nothing
dispatch run 2>&1
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks refs/dispatch/nodes refs/dispatch/probe
--- stdout has
1 succeeded, 1 rejected; 2 published
refs/dispatch/nodes/web-1
--- stdout lacks
refs/dispatch/probe
--- run 78
git remote remove origin
dispatch run
--- stderr has
has no remote, where claims would be
--- again 78
