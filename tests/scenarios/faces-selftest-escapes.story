`--selftest` shows, for each level that is used, what a handler tried against each layer and what came of it.
--- host
network: [fetch]
--- file handlers/index.yml
greet: handlers/greet.sh
fetch: {run: handlers/greet.sh, sandbox: {network: true}}
--- file handlers/greet.sh
#!/bin/sh
--- run
dispatch --selftest > "$STORY/table"
tail -n 1 "$STORY/table"
tr -s ' ' < "$STORY/table" | sed -n '/^STATE LEVEL/,$p' > "$STORY/escapes"
grep -c '^FAILED' "$STORY/escapes" || true
grep ' isolated [a-z]' "$STORY/escapes"
--- stdout has
Dispatcher OK
0
ok isolated namespace.mount read a file of the host that everybody may read refused: No such file or directory
ok isolated namespace.mount read /etc/shadow refused: 
ok isolated root write into /usr and /etc refused: Read-only file system
ok isolated namespace.pid see a process of the dispatcher refused: they are not in /proc
ok isolated namespace.pid signal a process of its own user outside refused: No such process
ok isolated namespace.net be in the host's network namespace refused: it is one of its own
ok isolated namespace.ipc 
ok isolated namespace.uts 
ok isolated namespace.cgroup 
ok isolated user be root refused: it is uid
ok isolated capabilities hold a capability refused: all sets are empty
ok isolated no_new_privs 
ok isolated seccomp make system calls without a filter refused: a filter is in force
ok isolated rlimits raise its limit of open files refused: 
 isolated cgroup.memory use 128 MiB where 32 are granted refused: 
 isolated cgroup.pids start 40 processes where 8 are granted refused: 
ok isolated supervision find a variable of the dispatcher refused: only LANG and PATH
ok isolated supervision find an open file of the dispatcher refused: only 0, 1 and 2
ok isolated supervision go on after its timeout, deaf to SIGTERM refused: it was killed when its grace had passed
ok isolated supervision stay behind as a daemon (setsid, double fork) refused: it was ended with its handler
--- run
grep 'isolated + network namespace.net' "$STORY/escapes"
--- stdout has
ok isolated + network namespace.net connect to a port on the host's loopback reached, as `network` grants
ok isolated + network namespace.net be in the host's network namespace reached, as `network` grants
--- run
dispatch --selftest --json > "$STORY/found.json"
grep -c '"escapes": \[' "$STORY/found.json"
sed -n '/"escapes"/,$p' "$STORY/found.json" | grep -E '"(level|layer|tried)"' | head -n 3
--- stdout
1
      "level": "isolated",
      "layer": "namespace.mount",
      "tried": "read a file of the host that everybody may read",
