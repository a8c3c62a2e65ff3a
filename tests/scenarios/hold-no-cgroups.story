Without control groups the limits of single processes stand in and the record says so; where the host file requires the group, what needs it is held.
--- file handlers/index.yml
greet: {run: handlers/greet.sh, sandbox: {memory: 64MiB}}
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: greet
--- run
unshare --mount sh -eu -c 'mount -t tmpfs none /sys/fs/cgroup; exec dispatch run'
--- stderr has
memory: rlimit, pids: rlimit: no control group can be had here
--- content has logs/a/status.yml
memory: rlimit
pids: rlimit
--- run 69
echo 'levels: {require: [cgroup.memory]}' >> ../host.yaml
git pull -q
printf 'kind: greet\n' > requests/b.yml
git add . && git commit -qm second && git push -q
unshare --mount sh -eu -c 'mount -t tmpfs none /sys/fs/cgroup; exec dispatch run'
--- stderr has
sandbox_unavailable: cgroup.memory: the host file requires it, and /sys/fs/cgroup has no group to make it in
Delegate=yes
--- tree requests
requests/b.yml
--- again off
