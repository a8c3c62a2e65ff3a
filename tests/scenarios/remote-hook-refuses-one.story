A record that is declined in any form stays in the spool while the others go on, in this pass and in later ones; when the rule is gone it is published whole.
--- file handlers/index.yml
say: {run: handlers/say.sh, resource: "{id}"}
--- file handlers/say.sh
#!/bin/sh
echo said
--- file requests/first.yml
kind: say
# first
--- run 75
dispatch run
mkdir -p requests
printf 'kind: say\n' > requests/bad.yml
printf 'kind: say\n# other\n' > requests/good.yml
merge both
cat > "$STORY/origin.git/hooks/update" <<'END'
#!/bin/sh
if git ls-tree -r --name-only "$3" processed | grep -q bad; then
    echo "this name may not be archived" >&2
    exit 1
fi
END
chmod 755 "$STORY/origin.git/hooks/update"
dispatch run --jobs 2 --push-tries 2
--- stderr has
declines the record of
in any form
--- tree requests processed
processed/first.yml
processed/good.yml
requests/bad.yml
--- run 75
mkdir -p requests
printf 'kind: say\n# later\n' > requests/later.yml
mv "$STORY/origin.git/hooks/update" "$STORY/hook"
merge later
mv "$STORY/hook" "$STORY/origin.git/hooks/update"
dispatch run --push-tries 2
--- tree requests processed
processed/first.yml
processed/good.yml
processed/later.yml
requests/bad.yml
--- run
dispatch run --push-tries 2 || test $? = 75
grep circuit_open .git/dispatch/metrics/dispatch.prom
--- stdout has
codex_dispatch_push_circuit_open 0
--- run
rm "$STORY/origin.git/hooks/update"
dispatch run --push-tries 2
--- tree requests processed logs/bad
logs/bad/dispatch.log
logs/bad/handler.log
logs/bad/log.jsonl
logs/bad/status.yml
processed/bad.yml
processed/first.yml
processed/good.yml
processed/later.yml
