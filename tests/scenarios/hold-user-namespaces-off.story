An ordinary user where user namespaces are switched off: `isolated` is held and says what to set, `confined` goes on.
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
cp "$(readlink -f "$(command -v dispatch)")" ../tmp/dispatch
as=
if [ "$(id -u)" = 0 ]; then
    chown -R 65534:65534 ..
    as="setpriv --reuid 65534 --regid 65534 --clear-groups"
fi
code=0
$as unshare --user --map-current-user --keep-caps sh -eu -c '
    echo 0 > /proc/sys/user/max_user_namespaces
    exec setpriv --ambient-caps=-all --inh-caps=-all ../tmp/dispatch run
' || code=$?
[ "$(id -u)" != 0 ] || chown -R 0:0 ..
rm ../tmp/dispatch
exit "$code"
--- stderr has
sandbox_unavailable: namespace.user: unshare(CLONE_NEWUSER)
user.max_user_namespaces above 0
--- tree requests processed
processed/b.yml
requests/a.yml
--- again off
