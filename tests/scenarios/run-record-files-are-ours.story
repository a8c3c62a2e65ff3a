A handler cannot write the record's own files: what it leaves as log.jsonl or dispatch.log is not what is kept.
--- file handlers/index.yml
forge: handlers/forge.sh
--- file handlers/forge.sh
#!/bin/sh
echo forged-line > "$2/log.jsonl"
echo forged-line > "$2/dispatch.log"
echo forged-line > "$2/handler.log"
exit 4
--- file requests/a.yml
kind: forge
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code
status: failure
outcome: failed
exit_code: 4
--- content lacks logs/a/log.jsonl
forged-line
--- content lacks logs/a/dispatch.log
forged-line
--- content lacks logs/a/handler.log
forged-line
