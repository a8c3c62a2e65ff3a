A work folder on a disk is looked at once more when the handler has ended: who was quick is not below its limit.
--- host
levels: {none: [quick]}
--- file handlers/index.yml
quick: {run: handlers/quick.sh, sandbox: {level: none, work: 1MiB}}
--- file handlers/quick.sh
#!/bin/sh
head -c 4000000 /dev/zero > "$DISPATCH_WORK/much"
--- file requests/a.yml
kind: quick
--- run
dispatch run
--- content logs/a/status.yml outcome reason exit_code
outcome: failed
exit_code: 0
reason: "disk_quota: work"
