`check` knows what went before: an id that was used, a key under which something else succeeded; by this host's journal, and in any clone by the records.
--- file handlers/index.yml
hello: handlers/hello.sh
--- file handlers/hello.sh
#!/bin/sh
exit 0
--- file requests/first.yml
kind: hello
spec: {name: Ada}
id: 00000000-0000-4000-8000-000000000001
idempotency_key: greeting
--- run
dispatch run -q
git pull -q
printf 'kind: hello\nid: 00000000-0000-4000-8000-000000000001\n' > requests/again.yml
printf 'kind: hello\nspec: {name: Bob}\nidempotency_key: greeting\n' > requests/key.yml
printf 'kind: hello\nspec: {name: Ada}\nidempotency_key: greeting\n' > requests/same.yml
printf 'kind: hello\nidempotency_key: new\n' > requests/x.yml
printf 'kind: hello\nidempotency_key: new\n' > requests/y.yml
printf 'kind: hello\nnot_before: 2999-01-01T00:00:00Z\n' > requests/z.yml
merge questions
--- run 64
dispatch check
--- stdout
rejected  requests/again.yml  hello  duplicate_id
requests/again.yml: error[E0206]: the id 00000000-0000-4000-8000-000000000001 belongs to another request
 = help: give this one an id of its own, or none: then it gets one by itself
rejected  requests/key.yml  hello  idempotency_mismatch
requests/key.yml: error[E0208]: idempotency_key `greeting` was used by 00000000-0000-4000-8000-000000000001 with another spec
 = help: a key stands for one spec: choose a new key, or make the specs the same
ok        requests/same.yml  hello
ok        requests/x.yml  hello
ok        requests/y.yml  hello  waits for requests/x.yml, which has the same idempotency_key
ok        requests/z.yml  hello  not before 2999-01-01T00:00:00Z
checked 6 requests: 4 ok, 2 rejected

`dispatch explain E0206` tells more
--- run 64
git clone -q "$STORY/origin.git" "$STORY/other"
dispatch -C "$STORY/other" check | grep -v '^ok'
exit 64
--- stdout
rejected  requests/again.yml  hello  duplicate_id
requests/again.yml: error[E0206]: the id 00000000-0000-4000-8000-000000000001 belongs to another request
 = help: give this one an id of its own, or none: then it gets one by itself
rejected  requests/key.yml  hello  idempotency_mismatch
requests/key.yml: error[E0208]: idempotency_key `greeting` was used by 00000000-0000-4000-8000-000000000001 with another spec
 = help: a key stands for one spec: choose a new key, or make the specs the same
checked 6 requests: 4 ok, 2 rejected

`dispatch explain E0206` tells more
--- run
dispatch run -q
dispatch list --only rejected | grep -cE 'idempotency_mismatch|duplicate_id'
dispatch list --pending | grep -c 'not before'
--- stdout
2
1
--- again off
