Root without CAP_SYS_ADMIN, as in a default container, makes no namespaces: what asks for `isolated` is held with the layer, the kernel's words and advice, and what asks for `confined` goes on.
--- host
levels: {minimum: confined}
--- file handlers/index.yml
walled: handlers/hello.sh
modest: {run: handlers/hello.sh, sandbox: {level: confined}}
--- file handlers/hello.sh
#!/bin/sh
echo hello
--- file requests/a.yml
kind: walled
id: 00000000-0000-4000-8000-00000000000a
--- file requests/b.yml
kind: modest
--- run 69
setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin dispatch run
--- stderr has
sandbox_unavailable: namespace.
EPERM
ask for level `confined`
--- tree requests processed
processed/b.yml
requests/a.yml
--- run
setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin dispatch why a
--- stdout has
sandbox_unavailable: namespace.
--- run
dispatch run
--- tree requests
--- again off
