A handler that fails is an outcome, not an error of the dispatcher: `run` ends with 0, and with 1 under `--strict`.
--- file handlers/index.yml
fail: handlers/fail.sh
--- file handlers/fail.sh
echo "no such host" >&2
exit 3
--- file requests/a.yml
kind: fail
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code
status: failure
outcome: failed
exit_code: 3
--- content has logs/a/handler.log
no such host
--- history
executor: [UUID] rc=3
start
--- run 1
mkdir -p requests
printf 'kind: fail\n# second\n' > requests/b.yml
merge second
dispatch run --strict
--- content logs/b/status.yml outcome exit_code
outcome: failed
exit_code: 3
