A push that loses a race is built again on the new tip: both commits stand, and the handler ran once.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
git clone -q "$STORY/origin.git" "$STORY/rival"
git -C "$STORY/rival" commit -q --allow-empty -m rival
git -C "$STORY/rival" push -q origin HEAD:refs/heads/rival
cat > "$STORY/origin.git/hooks/pre-receive" <<END
#!/bin/sh
# The first push finds that somebody else was quicker.
if mkdir "$STORY/raced" 2>/dev/null; then
    env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main refs/heads/rival
fi
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run
test -d "$STORY/raced"
--- tree requests processed
processed/a.yml
--- history
executor: [UUID] rc=0
rival
start
