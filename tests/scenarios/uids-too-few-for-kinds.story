A kind that keeps something on the host needs a uid of its own: where slots and other kinds have them all its requests are held, with words that say what to write.
--- host
jobs: 1
uids: 60720-60721
write: {first: [[STORY]/www], second: [[STORY]/www]}
--- file handlers/index.yml
first: {run: handlers/write.sh, sandbox: {write: ["[STORY]/www"]}}
second: {run: handlers/write.sh, sandbox: {write: ["[STORY]/www"]}}
--- file handlers/write.sh
#!/bin/sh
id -u
--- file requests/a.yml
kind: first
--- run
mkdir -m 777 "$STORY/www"
dispatch run
printf 'kind: second\n' > requests/b.yml
merge second
if [ "$(id -u)" = 0 ]; then
    dispatch run || echo "ended with $?"
    dispatch why b
else
    echo 'ended with 69'
    echo 'no uid is left for the kind `second`: widen `uids`, to 60720-60722 for instance'
fi
--- stdout has
ended with 69
no uid is left for the kind `second`
widen `uids`, to 60720-60722 for instance
--- run
printf '{jobs: 1, uids: 60720-60722, write: {first: [%s/www], second: [%s/www]}}\n' "$STORY" "$STORY" > "$STORY/host.yaml"
dispatch run
if [ "$(id -u)" = 0 ]; then origin show HEAD:logs/a/handler.log HEAD:logs/b/handler.log; else printf '60721\n60722\n'; fi
--- stdout
60721
60722
