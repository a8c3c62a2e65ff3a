A cancellation that cannot be is refused with a record that says why, and keeps nothing else from being done.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
--- run
dispatch run
mkdir -p requests
printf 'kind: dispatch.cancel\nspec: {id: 00000000-0000-4000-8000-00000000000a}\n' > requests/ended.yml
printf 'kind: dispatch.cancel\nspec: {id: 00000000-0000-4000-8000-0000000000ff}\n' > requests/unknown.yml
printf 'kind: dispatch.cancel\nid: 00000000-0000-4000-8000-0000000000cc\nspec: {id: 00000000-0000-4000-8000-0000000000cc}\n' > requests/itself.yml
printf 'kind: dispatch.cancel\nspec: {id: a}\n' > requests/no-id.yml
printf 'kind: dispatch.pause\nspec: {until: 2020-01-01T00:00:00Z}\n' > requests/over.yml
printf 'kind: dispatch.pause\nspec: {kind: greet, resource: x}\n' > requests/both.yml
printf 'kind: dispatch.resume\n' > requests/resume.yml
printf 'kind: greet\nspec: {n: 2}\n' > requests/b.yml
merge words
dispatch run
for name in ended unknown itself no-id over both; do
    origin show "HEAD:logs/$name/status.yml" | grep -e '^outcome' -e '^reason'
done
origin show HEAD:logs/resume/status.yml | grep -e '^outcome' -e '^reason' -e done
origin show HEAD:logs/b/status.yml | grep '^outcome'
--- stdout
outcome: rejected
reason: "not_cancellable: 00000000-0000-4000-8000-00000000000a ended succeeded: there is nothing to cancel"
outcome: rejected
reason: "not_cancellable: no request has the id 00000000-0000-4000-8000-0000000000ff"
outcome: rejected
reason: "not_cancellable: a request cannot cancel itself"
outcome: rejected
reason: "invalid_spec: `spec.id` is the text \"a\""
outcome: rejected
reason: "over: `until` has passed: the pause is over"
outcome: rejected
reason: "invalid_spec: `spec` is a value that is ruled out"
outcome: succeeded
reason: everything was not paused
  done: not_paused
outcome: succeeded
