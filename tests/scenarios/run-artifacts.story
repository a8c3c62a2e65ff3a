Regular files that a handler leaves in its log folder come back with the record; links are not followed and devices, FIFOs and git's own names stay out.
--- file handlers/index.yml
report: handlers/report.sh
--- file handlers/report.sh
#!/bin/sh
mkdir -p "$2/deep"
echo "all well" > "$2/report.txt"
echo "deeper" > "$2/deep/more.txt"
ln -s /etc/passwd "$2/link"
mkfifo "$2/fifo"
mkdir "$2/.git"
echo x > "$2/.git/config"
--- file requests/a.yml
kind: report
--- run
dispatch run
--- tree logs
logs/a/deep/more.txt
logs/a/dispatch.log
logs/a/handler.log
logs/a/log.jsonl
logs/a/report.txt
logs/a/status.yml
--- content logs/a/report.txt
all well
