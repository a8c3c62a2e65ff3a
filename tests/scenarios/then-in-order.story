Actions of the host file run after a success, in their order, outside the sandbox and with the resource still locked; their environment is made from nothing, and what they print stands in the record.
--- host
actions:
  first: {run: [sh, -c, 'env | cut -d= -f1 | sort | tr "\n" " "; echo; echo "$DISPATCH_ID $DISPATCH_KIND $DISPATCH_RESOURCE $DISPATCH_ACTION $# $PWD"; echo first >> [STORY]/tmp/done'], kinds: [deploy]}
  second: {run: [sh, -c, 'key=$(printf %s "$DISPATCH_RESOURCE" | sha256sum | cut -d" " -f1); if flock -n [STORY]/clone/.git/dispatch/locks/$key true; then echo free; else echo locked; fi; echo said on the other side >&2; echo second >> [STORY]/tmp/done'], kinds: ["*"]}
--- file handlers/index.yml
deploy: {run: handlers/deploy.sh, resource: "host/{spec.host}", then: [first, second]}
fails: {run: handlers/fails.sh, then: [first]}
--- file handlers/deploy.sh
#!/bin/sh
echo deployed
--- file handlers/fails.sh
#!/bin/sh
exit 3
--- file requests/a.yml
kind: deploy
id: 00000000-0000-4000-8000-00000000000a
spec: {host: web-01}
--- run
sed -i 's/kinds: \[deploy\]/kinds: [deploy, fails]/' "$DISPATCH_HOST"
mkdir -p "$STORY/tmp"
dispatch run
cat "$STORY/tmp/done"
printf 'kind: fails\n' > requests/b.yml
merge 'a handler that fails has no actions'
dispatch run
wc -l < "$STORY/tmp/done"
--- stdout
first
second
2
--- content logs/a/handler.log
deployed
[… then first …]
DISPATCH_ACTION DISPATCH_ID DISPATCH_KIND DISPATCH_RESOURCE HOME LANG PATH PWD 
00000000-0000-4000-8000-00000000000a deploy host/web-01 first 0 /
[… then second …]
locked
said on the other side
--- content logs/a/status.yml outcome exit_code reason then
outcome: succeeded
exit_code: 0
then:
- name: first
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
- name: second
  started_at: "[TIME]"
  duration_ms: [DURATION]
  exit_code: 0
--- content has logs/a/dispatch.log
then       first: exit 0
then       second: exit 0
--- content logs/b/status.yml outcome reason then
outcome: failed
reason: exit 3
--- content has logs/a/log.jsonl
"ev":"exited","attempt":1,"exit_code":0
"ev":"action_started","action":"first"
"ev":"output","stream":"stdout"
"action":"first"
"ev":"action_ended","action":"first","exit_code":0
"ev":"action_started","action":"second"
"stream":"stderr","text":"said on the other side","action":"second"
"ev":"action_ended","action":"second","exit_code":0
"ev":"recorded","outcome":"succeeded"
--- content lacks logs/a/log.jsonl
flock
