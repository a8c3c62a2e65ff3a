Records of which not all is committed, with artifacts and a result.
--- host
write: {once-digest: [[STORY]/tmp/witness], once-tail: [[STORY]/tmp/witness]}
--- file handlers/index.yml
once-digest: {run: handlers/once-digest.sh, sandbox: {write: [[STORY]/tmp/witness]}, publish: digest}
once-tail: {run: handlers/once-tail.sh, sandbox: {write: [[STORY]/tmp/witness]}, publish: tail}
--- file handlers/once-digest.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
echo customer data
echo kept > "$2/kept.txt"
echo '{"a": 1}' > "$DISPATCH_RESULT"
--- file handlers/once-tail.sh
#!/bin/sh
echo "begin $DISPATCH_KIND $DISPATCH_ID" >> [STORY]/tmp/witness
seq 300
echo kept > "$2/kept.txt"
--- file codex.repo.yaml
codex: {layout: dated}
--- file requests/a.yml
kind: once-digest
--- file requests/team/b.yml
kind: once-tail
--- run
dispatch run --jobs 1
