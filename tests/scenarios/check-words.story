What a cancel or a pause would be refused for is said before the merge, in the words that the dispatcher has for it.
--- file handlers/index.yml
plain: handlers/plain.sh
--- file handlers/plain.sh
#!/bin/sh
--- file requests/done.yml
kind: plain
id: 0198c0de-0000-7000-8000-00000000000a
--- run
dispatch run
git pull -q
mkdir -p requests
printf 'kind: dispatch.cancel\nspec: {id: 0198c0de-0000-7000-8000-00000000000a}\n' > requests/late.yml
printf 'kind: dispatch.pause\nspec: {until: 2020-01-01T00:00:00Z}\n' > requests/over.yml
printf 'kind: dispatch.pause\nspec: {until: 2999-01-01T00:00:00Z, kind: plain}\n' > requests/then.yml
dispatch check || echo "check $?"
merge words
dispatch run
--- stdout has
rejected  requests/late.yml  dispatch.cancel  not_cancellable
error[E0212]
ended succeeded: there is nothing to cancel
rejected  requests/over.yml  dispatch.pause  over
error[E0213]: `until` has passed: the pause is over
ok        requests/then.yml  dispatch.pause
check 64
--- run
git pull -q
cat logs/late/error.log logs/over/error.log
--- stdout has
error[E0212]
ended succeeded: there is nothing to cancel
error[E0213]: `until` has passed: the pause is over
--- content logs/then/status.yml outcome
outcome: succeeded
