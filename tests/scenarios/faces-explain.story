`explain` tells what a code, a word of a record or an exit code means, with an example of wrong and right; it needs no repository.
--- run
cd /
dispatch explain e0403
--- stdout
E0403: a property that there is not

`spec` has a property that the schema of the kind does not know.

why: a misspelt option would be ignored in silence.

do: take the name that is suggested, or leave it out.

wrong (request):
    kind: deploy
    spec: {tarqet: web-1}

right (request):
    kind: deploy
    spec: {target: web-1}
--- run
dispatch explain 'exit 3'
--- stdout has
exit: the handler exited with that code
--- run
dispatch explain 75
--- stdout has
75: not published yet
do: try again
--- run
dispatch explain
--- stdout has
E00: file and name
  E0001                a request that is a symbolic link
Outcomes
  indeterminate        nobody knows how it ended
Exit codes
--- run 1
dispatch explain E4003
--- stderr
error: nothing here is called `E4003`
hint: did you mean `E0003`?
--- run
dispatch explain E0103 --json > "$STORY/one"
dispatch explain --json > "$STORY/all"
python3 - "$STORY/one" "$STORY/all" <<'END'
import json, sys
one, everything = (json.load(open(path)) for path in sys.argv[1:])
entry = one["explanations"][0]
print(one["v"], sorted(entry), [example["right"] for example in entry["examples"]], len(everything["explanations"]) > 100)
END
--- stdout
1 ['do', 'examples', 'group', 'means', 'title', 'why', 'word'] [False, True] True
--- again off
