`retention` takes the output of old records away from main in a commit of its own; status files stay, records below a record stay records, and nobody takes that commit for a record.
--- file codex.repo.yaml
codex:
  commit_suffix: "[skip ci]"
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
mkdir -p "$2/more"
echo left > "$2/left.txt"
--- file requests/a.yml
kind: greet
--- file requests/a/b.yml
kind: greet
--- run 78
dispatch run
dispatch prune --dry-run
--- stderr has
nothing says how long output is kept
hint: write `retention: {output: [DURATION]}`
--- run
# Somebody's own file beside records, and a folder that is none.
mkdir -p logs/notes && echo mine > logs/notes/handler.log && echo mine > logs/README
git pull -q; merge notes
dispatch prune --older-than 1ms --dry-run
dispatch prune --older-than 1h 2>&1
dispatch prune --older-than 1ms --dry-run --json | grep -c '"record"'
--- stdout has
logs/a  ended [TIME]: handler.log, left.txt, log.jsonl
logs/a/b  ended [TIME]: handler.log, left.txt, log.jsonl
nothing on main is output older than [DURATION]
2
--- tree logs processed
logs/README
logs/a/b/dispatch.log
logs/a/b/handler.log
logs/a/b/left.txt
logs/a/b/log.jsonl
logs/a/b/status.yml
logs/a/dispatch.log
logs/a/handler.log
logs/a/left.txt
logs/a/log.jsonl
logs/a/status.yml
logs/notes/handler.log
processed/a.yml
processed/a/b.yml
--- run
cp -a .git/dispatch "$STORY/older"
dispatch prune --older-than 1ms
dispatch prune --older-than 1ms
git pull -q
--- stderr has
nothing on main is output older than [DURATION]
--- tree logs processed
logs/README
logs/a/b/dispatch.log
logs/a/b/status.yml
logs/a/dispatch.log
logs/a/status.yml
logs/notes/handler.log
processed/a.yml
processed/a/b.yml
--- history
executor: retention of 2 records [skip ci]
notes
executor: [UUID] rc=0 [skip ci]
executor: [UUID] rc=0 [skip ci]
start
--- run
# The spool has it for a week; without it the faces say what became of the output.
rm -rf .git/dispatch/spool
dispatch logs a/b 2>&1
dispatch status a | tail -n 2
--- stdout has
a/b is succeeded; its output was pruned (`retention`): older commits have it: `git log --diff-filter=D -- logs/a/b`
record: logs/a/
its output was pruned (`retention`): older commits have it
--- run
# An older copy of the state folder does not take the commit for a record that it has lost.
rm -rf .git/dispatch && cp -a "$STORY/older" .git/dispatch
mkdir -p requests; printf 'kind: greet\n# third\n' > requests/c.yml; merge third
dispatch run
--- stderr has
1 succeeded; 1 published
--- run
git log -1 --format=%B HEAD~2 > "$STORY/message"
cat "$STORY/message"
--- stdout
executor: retention of 2 records [skip ci]

Output older than [DURATION] leaves main; status files stay.

Dispatch-State: [UUID]
