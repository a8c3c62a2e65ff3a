Alias bombs, 20,000 levels, bytes that are not UTF-8, an empty file and five megabytes each end in a record; the next request runs.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- run
mkdir -p requests
python3 - <<'END'
import os
def write(name, data):
    with open("requests/%s.yml" % name, "wb") as file:
        file.write(data)
bomb = "kind: deploy\nspec:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
for level in range(1, 9):
    bomb += "  a%d: &a%d [%s]\n" % (level, level, ", ".join(["*a%d" % (level - 1)] * 9))
write("bomb", bomb.encode())
write("deep-flow", b"kind: deploy\nspec: " + b"[" * 20000 + b"]" * 20000 + b"\n")
write("deep-block", b"kind: deploy\nspec:\n  " + b"- " * 20000 + b"x\n")
write("latin", b"kind: deploy\nspec: {name: caf\xe9}\n")
write("nul", b"kind: deploy\nspec: {name: \"a\x00b\"}\n")
write("empty", b"")
write("comment", b"# nothing here\n")
write("large", b"kind: deploy\nspec: {a: '" + b"x" * (5 * 1024 * 1024) + b"'}\n")
write("right", b"\xef\xbb\xbfkind: deploy\n")
END
merge bombs
dispatch run
for name in bomb deep-flow deep-block latin nul empty comment large; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
done
--- stdout lacks
was not rejected
--- tree requests
--- content has logs/latin/error.log
requests/latin.yml:2:
--- content logs/right/status.yml outcome
outcome: succeeded
