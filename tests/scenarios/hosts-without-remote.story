Without a remote what the host says of itself is a ref of the repository, for those who clone it.
--- remote none
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- file requests/later.yml
kind: greet
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
git rev-list --count refs/dispatch/hosts/story
git fsck --strict
git clone -q . "$STORY/other"
cd "$STORY/other"
dispatch why later --fetch
--- stdout has
1
later is held: story holds it: 
2999-01-01
next: wait
