A word on what is known, on what nobody has started, or on nothing at all is refused with what to do, by hand and by the verb; the request that it names is left alone.
--- file handlers/index.yml
once: handlers/once.sh
--- file handlers/once.sh
#!/bin/sh
--- file requests/done.yml
kind: once
id: 0198c0de-0000-7000-8000-000000000001
--- file requests/later.yml
kind: once
id: 0198c0de-0000-7000-8000-000000000002
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
mkdir -p requests
r='kind: dispatch.resolve'
printf "$r\nspec: {id: 0198c0de-0000-7000-8000-000000000001, as: failed}\n" > requests/known.yml
printf "$r\nspec: {id: 0198c0de-0000-7000-8000-000000000002, as: succeeded}\n" > requests/waiting.yml
printf "$r\nspec: {id: 0198c0de-0000-7000-8000-000000000003, as: rerun}\n" > requests/nothing.yml
printf "$r\nspec: {id: 0198c0de, as: maybe}\n" > requests/wrong.yml
printf "$r\nspec: {id: 0198c0de-0000-7000-8000-000000000001, as: failed}\ntimeout: 5m\n" > requests/key.yml
merge words
dispatch check || echo "check $?"
dispatch run
for name in known waiting nothing wrong key; do
    echo "== $name"
    origin show HEAD:logs/$name/error.log
done
--- stdout
rejected  requests/key.yml  dispatch.resolve  invalid_request
requests/key.yml:3:1: error[E0210]: `timeout` says nothing to the dispatcher itself, which handles the kind `dispatch.resolve`
  |
3 | timeout: [DURATION]
  | ^^^^^^^
  = help: leave it out
rejected  requests/known.yml  dispatch.resolve  not_resolvable
requests/known.yml:2:12: error[E0211]: [UUID] ended succeeded, which is known
  |
2 | spec: {id: [UUID], as: failed}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: only what ended `indeterminate` can be resolved; to run it again, merge a new request
ok        requests/later.yml  once  not before 2999-01-01T00:00:00Z
rejected  requests/nothing.yml  dispatch.resolve  not_resolvable
requests/nothing.yml:2:12: error[E0211]: no request has the id [UUID]
  |
2 | spec: {id: [UUID], as: rerun}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `dispatch list` shows those there are; the spec takes the whole id
rejected  requests/waiting.yml  dispatch.resolve  not_resolvable
requests/waiting.yml:2:12: error[E0211]: [UUID] is in the inbox and nobody has started it
  |
2 | spec: {id: [UUID], as: succeeded}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: it starts in its turn; remove `requests/later.yml` where it is not wanted
rejected  requests/wrong.yml  dispatch.resolve  invalid_spec
requests/wrong.yml:2:12: error[E0406]: `spec.id` is the text "[SHORT]"
  |
2 | spec: {id: [SHORT], as: maybe}
  |            ^^^^^^^^
  = expected: text in the format `uuid`, such as [UUID]
requests/wrong.yml:2:26: error[E0404]: `spec.as` is the text "maybe"
  |
2 | spec: {id: [SHORT], as: maybe}
  |                          ^^^^^
  = expected: one of "succeeded", "failed", "rerun"
checked 6 requests: 1 ok, 5 rejected

`dispatch explain E0210` tells more
check 64
== known
requests/known.yml:2:12: error[E0211]: [UUID] ended succeeded, which is known
  |
2 | spec: {id: [UUID], as: failed}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: only what ended `indeterminate` can be resolved; to run it again, merge a new request
== waiting
requests/waiting.yml:2:12: error[E0211]: [UUID] is in the inbox and nobody has started it
  |
2 | spec: {id: [UUID], as: succeeded}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: it starts in its turn; remove `requests/later.yml` where it is not wanted
== nothing
requests/nothing.yml:2:12: error[E0211]: no request has the id [UUID]
  |
2 | spec: {id: [UUID], as: rerun}
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `dispatch list` shows those there are; the spec takes the whole id
== wrong
requests/wrong.yml:2:12: error[E0406]: `spec.id` is the text "[SHORT]"
  |
2 | spec: {id: [SHORT], as: maybe}
  |            ^^^^^^^^
  = expected: text in the format `uuid`, such as [UUID]

requests/wrong.yml:2:26: error[E0404]: `spec.as` is the text "maybe"
  |
2 | spec: {id: [SHORT], as: maybe}
  |                          ^^^^^
  = expected: one of "succeeded", "failed", "rerun"
== key
requests/key.yml:3:1: error[E0210]: `timeout` says nothing to the dispatcher itself, which handles the kind `dispatch.resolve`
  |
3 | timeout: [DURATION]
  | ^^^^^^^
  = help: leave it out
--- tree requests
requests/later.yml
--- content logs/done/status.yml outcome
outcome: succeeded
--- run 64
dispatch resolve done --failed
--- stderr has
`done` ended succeeded, which is known
--- run 64
dispatch resolve later --succeeded
--- stderr has
nobody has started it
--- run 1
dispatch resolve nothing-like-it --succeeded
--- stderr has
there is no request `nothing-like-it`
--- run 2
dispatch resolve done
--- run 2
dispatch resolve done --failed --succeeded
