Where even the status of a record is declined and nothing else goes through, nothing new starts, in no later process either; every face says so, and when a push goes through again all goes on by itself, whole.
--- file handlers/index.yml
say: handlers/say.sh
--- file handlers/say.sh
#!/bin/sh
echo said
--- file requests/first.yml
kind: say
--- run 75
dispatch run --push-tries 2
mkdir -p requests
printf 'kind: say\nspec: {n: 1}\n' > requests/a.yml
printf 'kind: say\nspec: {n: 2}\n' > requests/b.yml
merge two
printf '#!/bin/sh\necho "main is closed" >&2\nexit 1\n' > "$STORY/origin.git/hooks/pre-receive"
chmod 755 "$STORY/origin.git/hooks/pre-receive"
dispatch run --jobs 2 --push-tries 2
--- stderr has
declined the push
--- run
mv "$STORY/origin.git/hooks/pre-receive" "$STORY/hook"
mkdir -p requests
printf 'kind: say\nspec: {n: 3}\n' > requests/c.yml
merge three
mv "$STORY/hook" "$STORY/origin.git/hooks/pre-receive"
--- run 75
dispatch run --push-tries 2
--- stderr has
declines every record
--- stderr lacks
c.yml started
--- run
dispatch
dispatch status c
dispatch why c
grep -E '^codex_dispatch_(push_circuit|unpub)' .git/dispatch/metrics/dispatch.prom
dispatch --selftest || true
--- stdout has
2 record(s) not published yet
the remote declines every record since
pending: c
the remote declines every record since
c is pending: the remote declines every record since
codex_dispatch_unpublished_records 2
codex_dispatch_push_circuit_open 1
declines every record since
--- run
rm "$STORY/origin.git/hooks/pre-receive"
dispatch run --push-tries 2
grep -E '^codex_dispatch_(push_circuit|unpub)' .git/dispatch/metrics/dispatch.prom
dispatch
--- stdout has
codex_dispatch_unpublished_records 0
codex_dispatch_push_circuit_open 0
--- stdout lacks
declines
--- tree requests logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/status.yml
logs/b/dispatch.log
logs/b/handler.log
logs/b/log.jsonl
logs/b/status.yml
logs/c/dispatch.log
logs/c/handler.log
logs/c/log.jsonl
logs/c/status.yml
logs/first/dispatch.log
logs/first/handler.log
logs/first/log.jsonl
logs/first/status.yml
