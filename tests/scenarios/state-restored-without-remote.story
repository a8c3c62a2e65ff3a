Without a remote an older copy of the state folder is found out by the branch as well; one that is told that nothing was started runs what waits.
--- remote none
--- file handlers/index.yml
plain: handlers/plain.sh
--- file handlers/plain.sh
#!/bin/sh
echo really-ran
--- file requests/first.yml
kind: plain
--- run
dispatch run
cp -a .git/dispatch "$STORY/copy"
mkdir -p requests
printf 'kind: plain\n# since\n' > requests/since.yml
merge since
dispatch run
rm -rf .git/dispatch
mv "$STORY/copy" .git/dispatch
mkdir -p requests
printf 'kind: plain\n# waits\n' > requests/waits.yml
merge waits
dispatch run || echo "first $?"
dispatch adopt --not-started >/dev/null
dispatch run
--- stdout
first 75
--- content logs/waits/status.yml outcome
outcome: succeeded
--- tree requests
