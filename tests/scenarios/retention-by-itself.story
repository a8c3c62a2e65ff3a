With `retention` in codex.repo.yaml a pass takes old output away when everything else is done, once a day, without a remote too, and leaves what is changed in the work tree.
--- remote none
--- file codex.repo.yaml
codex: {layout: dated, retention: {output: 1ms}}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
id: 00000000-0000-7000-8000-00000000000a
kind: greet
--- run
dispatch run
git status --short
--- stderr has
retention: the output of 1 record(s) left main in
1 succeeded; 1 published
--- history
executor: retention of 1 record
executor: 00000000-0000-7000-8000-00000000000a rc=0
start
--- tree logs processed
logs/2026/01/02/a-[SHORT]/dispatch.log
logs/2026/01/02/a-[SHORT]/status.yml
processed/2026/01/02/a-[SHORT].yml
--- run
# Not again on the same day.
printf 'kind: greet\nid: 00000000-0000-7000-8000-00000000000b\n' > requests/b.yml
merge second
dispatch run
ls logs/2026/01/02/b-0000000b
--- stdout
dispatch.log
handler.log
log.jsonl
status.yml
--- run 75
echo more >> logs/2026/01/02/b-0000000b/handler.log
dispatch prune
--- stderr has
1 record(s) are changed in the work tree and stay
--- run
git checkout -q logs
dispatch prune 2>&1 | sed 's/ in .*//; s/[0-9]* bytes/some bytes/'
git status --short
ls logs/2026/01/02/b-0000000b
--- stdout
logs/2026/01/02/b-[SHORT]  ended [TIME]: handler.log, log.jsonl
the output of 1 record(s), some bytes, left main (older than [DURATION])
dispatch.log
status.yml
