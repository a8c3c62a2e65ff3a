`handler new` writes a handler that passes its own tests at once, in either language, beside what is there and over nothing.
--- remote none
--- file handlers/index.yml
# Mine.
hello: handlers/hello.sh   # the first one
--- file handlers/hello.sh
#!/bin/sh
echo hello
--- run
dispatch handler new greet --lang sh --resource 'host/{spec.host}' --timeout 5m --description 'Greet a host'
--- stdout has
wrote handlers/greet.sh
wrote schemas/greet.schema.json
wrote examples/greet.yml
wrote tests/handlers/greet/example.expect.yml
added to handlers/index.yml
dispatch handler test greet examples/greet.yml
--- run
dispatch handler new count --lang python > /dev/null
test -x handlers/greet.sh && test -x handlers/count.py
cat handlers/index.yml
--- stdout
# Mine.
hello: handlers/hello.sh   # the first one

greet:
  run: handlers/greet.sh
  description: Greet a host
  resource: "host/{spec.host}"
  timeout: [DURATION]

count:
  run: handlers/count.py
  description: say here in a line what it does
--- run
dispatch check examples/*.yml
dispatch handler test greet examples/greet.yml
dispatch handler test count examples/count.yml
--- stdout has
greet: host example (attempt 1)
{"host":"example"}
report.txt (14 bytes)
count: name example (attempt 1)
--- run
dispatch handler test --all
--- stdout has
4 as expected
no fixture: hello
--- run 73
dispatch handler new greet --lang python
--- stderr has
handlers/index.yml: the kind `greet` is there already
--- run 73
echo mine > handlers/other.sh
echo mine > examples/other.yml
dispatch handler new other --lang sh
--- stderr has
there already, and nothing is overwritten: handlers/other.sh, examples/other.yml
--- run
cat handlers/other.sh examples/other.yml
test ! -e schemas/other.schema.json
! grep other handlers/index.yml
--- stdout
mine
mine
--- run
dispatch handler new third --lang sh --dry-run
test ! -e handlers/third.sh
! grep third handlers/index.yml
--- stdout has
would write handlers/third.sh
  | #!/bin/sh
would add to handlers/index.yml
  | third:
--- run
dispatch handler new third --lang sh --dry-run --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["v"], d["kind"], d["dry_run"], [f["path"] for f in d["files"]][0], d["index"]["row"].splitlines()[0])'
--- stdout
1 third True handlers/third.sh third:
--- run 2
dispatch handler new dispatch.mine --lang sh
--- stderr has
the dispatcher's own
--- run 2
dispatch handler new 'a b' --lang sh
--- run 78
dispatch handler new deep --lang sh --resource '{spec.a.b}'
--- stderr has
`spec.a.b`
--- run 78
echo '{hello: handlers/hello.sh}' > handlers/index.yml
dispatch handler new late --lang sh
--- stderr has
add this row yourself
late:
  run: handlers/late.sh
--- run
test ! -e handlers/late.sh
rm handlers/index.yml
dispatch handler new late --lang sh > /dev/null
dispatch handler test late
--- stdout has
2 as expected
--- again off
