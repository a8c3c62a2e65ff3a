A host that wins the claim of a request which another one has recorded meanwhile: it reads main after its claim, gives it back and never starts.
--- host
node: web-1
claims: remote
levels: {none: [once]}
--- file handlers/index.yml
once: {run: handlers/once.sh, sandbox: {level: none}}
--- file handlers/once.sh
#!/bin/sh
echo began >> "$(grep -o '/[^ ]*/began$' "$1")"
--- file requests/a.yml
kind: once
spec:
  file: [STORY]/tmp/began
--- run
git clone -q "$STORY/origin.git" "$STORY/second"
printf 'node: web-2\nclaims: remote\nlevels: {none: [once]}\n' > "$STORY/second.yaml"
# When the second host's claim arrives, and before it is taken, the first host does the whole request.
cat > "$STORY/origin.git/hooks/pre-receive" <<END
#!/bin/sh
grep -q refs/dispatch/claims/ || exit 0
mkdir "$STORY/tmp/once" 2>/dev/null || exit 0
for name in \$(env | sed -n 's/^\(GIT_[A-Z_]*\)=.*/\1/p'); do
    case \$name in GIT_CONFIG_GLOBAL|GIT_CONFIG_NOSYSTEM) ;; *) unset "\$name" ;; esac
done
cd "$STORY/clone" && dispatch --host "$STORY/host.yaml" run > "$STORY/tmp/first.out" 2>&1
exit 0
END
chmod 755 "$STORY/origin.git/hooks/pre-receive"
cd "$STORY/second"
DISPATCH_HOST="$STORY/second.yaml" dispatch -v run 2> "$STORY/tmp/second.err" || cat "$STORY/tmp/second.err"
cat "$STORY/tmp/first.out"
wc -l < "$STORY/tmp/began"
grep -c 'started' "$STORY/tmp/second.err" || true
origin for-each-ref --format='%(refname)' refs/dispatch/claims refs/dispatch/locks
--- stdout has
1 succeeded; 1 published
1
0
--- stdout lacks
refs/dispatch/claims
--- tree requests processed
processed/a.yml
--- content logs/a/status.yml outcome host
outcome: succeeded
host: web-1
