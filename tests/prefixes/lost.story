Main loses a record that was there, as by a power cut of the server: it is published again, and nothing runs.
--- host
write: {once: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {write: [[STORY]/tmp/witness]}}
--- file handlers/once.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo done
--- file requests/a.yml
kind: once
--- run
before=$(origin rev-parse main)
dispatch run || true
origin update-ref refs/heads/main "$before"
dispatch adopt || true
dispatch run
