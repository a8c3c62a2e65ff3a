With `publish: digest` nothing that the handler or its actions print, leave or say reaches the repository, only sizes and digests, which fit what lies on the host.
--- host
node: build-1
actions: {tell: {run: [sh, -c, 'echo customer-data of the action'], kinds: [quiet]}}
--- file handlers/index.yml
quiet: {run: handlers/quiet.sh, publish: digest, then: [tell], delivery: at-least-once, retry: {attempts: 2, backoff: 10ms}}
--- file handlers/quiet.sh
#!/bin/sh
echo "customer-data $DISPATCH_ATTEMPT"
[ "$DISPATCH_ATTEMPT" -gt 1 ] || exit 75
mkdir "$2/deep"
printf 'customer-data in a file' > "$2/deep/file.txt"
printf 'status: success\nnote: customer-data\n' > "$2/status.yml"
echo '{"who": "customer-data"}' > "$DISPATCH_RESULT"
--- file requests/a.yml
kind: quiet
id: 00000000-0000-4000-8000-00000000000a
--- run
dispatch run
origin grep -l customer-data HEAD -- logs processed || echo nowhere
dispatch logs a
kept=.git/dispatch/kept/00000000-0000-4000-8000-00000000000a
for file in record/handler.log record/log.jsonl result.json record/deep/file.txt; do
    origin show HEAD:logs/a/status.yml | grep -c "$(sha256sum "$kept/$file" | cut -d' ' -f1)"
done
cat "$kept/result.json"
--- stdout
nowhere
customer-data 2
[… then tell …]
customer-data of the action
1
1
1
1
{"who":"customer-data"}
--- content logs/a/status.yml outcome publish result handler
outcome: succeeded
publish: digest
--- content has logs/a/status.yml
kept:
log:
handler_log:
bytes: 64
result:
bytes: 23
artifacts:
path: deep/file.txt
bytes: 23
--- tree logs
logs/a/dispatch.log
logs/a/log.jsonl
logs/a/status.yml
--- content logs/a/log.jsonl
{"v":1,"seq":0,"ts":"[TIME]","t":[DURATION],"ev":"admitted","path":"requests/a.yml","commit":"[OID]","blob":"[OID]"}
{"v":1,"seq":1,"ts":"[TIME]","t":[DURATION],"ev":"started","attempt":1,"argv":["/bin/sh","handlers/quiet.sh","requests/a.yml","logs/a"]}
{"v":1,"seq":2,"ts":"[TIME]","t":[DURATION],"ev":"withheld","bytes":16}
{"v":1,"seq":3,"ts":"[TIME]","t":[DURATION],"ev":"exited","attempt":1,"exit_code":75,"reason":"exit 75"}
{"v":1,"seq":4,"ts":"[TIME]","t":[DURATION],"ev":"started","attempt":2,"argv":["/bin/sh","handlers/quiet.sh","requests/a.yml","logs/a"]}
{"v":1,"seq":5,"ts":"[TIME]","t":[DURATION],"ev":"withheld","bytes":16}
{"v":1,"seq":6,"ts":"[TIME]","t":[DURATION],"ev":"exited","attempt":2,"exit_code":0}
{"v":1,"seq":7,"ts":"[TIME]","t":[DURATION],"ev":"action_started","action":"tell"}
{"v":1,"seq":8,"ts":"[TIME]","t":[DURATION],"ev":"withheld","bytes":28}
{"v":1,"seq":9,"ts":"[TIME]","t":[DURATION],"ev":"action_ended","action":"tell","exit_code":0}
{"v":1,"seq":10,"ts":"[TIME]","t":[DURATION],"ev":"recorded","outcome":"succeeded"}
--- content has logs/a/dispatch.log
published  sizes and digests
--- run
git clone -q "$STORY/origin.git" "$STORY/elsewhere"
dispatch -C "$STORY/elsewhere" logs a
rm -r "$STORY/elsewhere"
--- stderr has
lies on build-1
--- stdout
