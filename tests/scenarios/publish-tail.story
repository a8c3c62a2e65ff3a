With `publish: tail` only the end of the output is committed, the same lines in handler.log and log.jsonl; the whole lies on the host, where `logs` shows it, and elsewhere `logs` says where.
--- host
node: build-1
--- file handlers/index.yml
chatty: {run: handlers/chatty.sh, publish: tail}
wide: {run: handlers/wide.sh, publish: tail}
short: {run: handlers/short.sh, publish: tail}
--- file handlers/chatty.sh
#!/bin/sh
seq -f 'line %g' 500
echo kept > "$2/report.txt"
echo '{"url": "x"}' > "$DISPATCH_RESULT"
--- file handlers/wide.sh
#!/bin/sh
head -c 100000 /dev/zero | tr '\0' x
echo end
--- file handlers/short.sh
#!/bin/sh
echo all of it
--- file requests/a.yml
kind: chatty
id: 00000000-0000-4000-8000-00000000000a
--- file requests/wide.yml
kind: wide
--- file requests/short.yml
kind: short
--- run
dispatch run
origin show HEAD:logs/a/handler.log | sed -n '1p;2p;$p'
origin show HEAD:logs/a/handler.log | wc -l
origin show HEAD:logs/a/log.jsonl | grep -o '"text":"line [0-9]*"' | sed -n '1p;$p'
origin show HEAD:logs/a/log.jsonl | grep -c '"ev":"output"'
origin show HEAD:logs/a/log.jsonl | grep -o '"ev":"withheld","bytes":[0-9]*'
test "$(origin show HEAD:logs/a/log.jsonl | sha256sum | cut -d' ' -f1)" = "$(origin show HEAD:logs/a/status.yml | sed -n 's/^log_sha256: "*\([0-9a-f]*\).*/\1/p')" && echo 'log_sha256 is that of the committed log'
dispatch logs a | wc -l
dispatch logs a | sha256sum | cut -d' ' -f1 > "$STORY/tmp-sha"
origin show HEAD:logs/a/status.yml | grep -c "$(cat "$STORY/tmp-sha")"
rm "$STORY/tmp-sha"
test "$(origin show HEAD:logs/wide/handler.log | wc -c)" -le 16384 && origin show HEAD:logs/wide/handler.log | tail -c 4
--- stdout
[… 2592 bytes before this lie on build-1 …]
line 301
line 500
201
"text":"line 301"
"text":"line 500"
200
"ev":"withheld","bytes":2592
log_sha256 is that of the committed log
500
1
end
--- content logs/a/status.yml publish result
publish: tail
result:
  url: x
--- content has logs/a/status.yml
kept:
log:
handler_log:
bytes: 4392
--- content logs/short/handler.log
all of it
--- content logs/a/report.txt
kept
--- tree logs
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/report.txt
logs/a/status.yml
logs/short/dispatch.log
logs/short/handler.log
logs/short/log.jsonl
logs/short/status.yml
logs/wide/dispatch.log
logs/wide/handler.log
logs/wide/log.jsonl
logs/wide/status.yml
--- content has logs/a/dispatch.log
published  the end of the output; `dispatch logs 00000000-0000-4000-8000-00000000000a` on build-1 shows the rest
--- run
git clone -q "$STORY/origin.git" "$STORY/elsewhere"
dispatch -C "$STORY/elsewhere" logs a | wc -l
dispatch -C "$STORY/elsewhere" logs a 2>&1 > /dev/null
rm -r "$STORY/elsewhere"
--- stdout
201
 INFO not all of it was published: the rest lies on build-1, where `dispatch logs 00000000-0000-4000-8000-00000000000a` shows it
--- stderr
 INFO not all of it was published: the rest lies on build-1, where `dispatch logs 00000000-0000-4000-8000-00000000000a` shows it
