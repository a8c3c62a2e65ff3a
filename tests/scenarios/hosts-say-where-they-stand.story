A host says in a ref of its own what it runs, holds and waits for, and the faces read it in any clone: queued, held and nobody there are told apart with Git alone.
--- file handlers/index.yml
greet: handlers/greet.sh
later: handlers/missing.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
--- file requests/b.yml
kind: later
id: 00000000-0000-4000-8000-00000000000b
--- run 78
git clone -q "$STORY/origin.git" "$STORY/other"
dispatch run 2> /dev/null
--- run
origin rev-list --count refs/dispatch/hosts/story
origin ls-tree --name-only refs/dispatch/hosts/story
origin log -1 --format=%s refs/dispatch/hosts/story
origin cat-file blob refs/dispatch/hosts/story:status.json | grep -E '"(node|watching|by|path|running|held)"'
--- stdout
1
status.json
host story: 0 running, 0 waiting, 1 held
  "node": "story",
  "watching": false,
    "running": 0,
    "held": 1,
  "running": [],
  "held": [
      "path": "requests/b.yml",
      "by": "repository",
--- run
# Without --fetch a clone knows what it knows; with it, what the host said. Its branches stay where they are.
cd "$STORY/other"
git rev-parse HEAD origin/main > "$STORY/tmp/before"
dispatch why a | head -n 1
dispatch list --fetch
dispatch why b
dispatch | grep ^host
git rev-parse HEAD origin/main | cmp - "$STORY/tmp/before" && echo unmoved
--- stdout has
a is pending: no pass has taken it up yet
b     later  held
story: 
a     greet  succeeded
b is held: story holds it: 
next: mend what is named and commit it
host story does not watch, heard of
1 held
unmoved
--- run
# What came later nobody has met, and nobody watches.
mkdir -p requests && printf 'kind: greet\nid: 00000000-0000-4000-8000-00000000000c\n' > requests/c.yml
merge 'one more'
cd "$STORY/other"
dispatch why c --fetch
dispatch why c --json | grep '"class"'
--- stdout has
c is pending: no host watches: the last pass was
on story
"class": "dead_host"
--- run
# One that said that it watches, and has been silent since.
cat > "$STORY/status.json" <<'END'
{"v": 1, "node": "web-9", "dispatcher": "0.1.0", "written_at": "2026-01-02T00:00:00Z", "last_pass": "2026-01-02T00:00:00Z",
 "watching": true, "interval_ms": 15000, "counts": {"running": 0, "held": 0, "waiting": 0, "unpublished": 0}}
END
tree=$(printf '100644 blob %s\tstatus.json\n' "$(origin hash-object -w "$STORY/status.json")" | origin mktree)
origin update-ref refs/dispatch/hosts/web-9 "$(origin commit-tree -m 'host web-9' "$tree")"
origin update-ref -d refs/dispatch/hosts/story
cd "$STORY/other"
dispatch why c --fetch
dispatch list --only pending --json | grep -c 00000000-0000-4000-8000-00000000000c
--- stdout has
c is pending: no host has looked for
web-9 was heard of last
1
--- run 78
# At most once a minute: a second pass changes much and says nothing, and a third host's words disturb no pass.
dispatch run 2> /dev/null
--- run
origin for-each-ref --format='%(refname)' refs/dispatch
--- stdout
refs/dispatch/hosts/web-9
--- again 78
