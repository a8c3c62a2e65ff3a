`dispatch wait` ends when a request has ended, with the exit code of its outcome; of several the worst.
--- file handlers/index.yml
good: handlers/good.sh
bad: handlers/bad.sh
slow: {run: handlers/slow.sh, timeout: 300ms, grace: 100ms}
--- file handlers/good.sh
#!/bin/sh
--- file handlers/bad.sh
#!/bin/sh
exit 3
--- file handlers/slow.sh
#!/bin/sh
exec sleep 600
--- file requests/good.yml
kind: good
--- file requests/bad.yml
kind: bad
--- file requests/slow.yml
kind: slow
--- file requests/unknown.yml
kind: godo
--- file requests/late.yml
kind: good
expires: 2000-01-01T00:00:00Z
--- file requests/later.yml
kind: good
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run
for names in good bad slow unknown late "good late" "late slow" "slow bad"; do
    code=0; dispatch wait $names || code=$?
    echo "$names: $code"
done
--- stdout
[SHORT] good succeeded in [DURATION]
good: 0
[SHORT] bad failed in [DURATION]: exit 3
bad: 1
[SHORT] slow timed_out in [DURATION]: timeout
slow: 124
[SHORT] unknown rejected: unknown_kind: Unknown handler for kind godo
unknown: 64
[SHORT] late expired
late: 64
[SHORT] good succeeded in [DURATION]
[SHORT] late expired
good late: 64
[SHORT] late expired
[SHORT] slow timed_out in [DURATION]: timeout
late slow: 124
[SHORT] slow timed_out in [DURATION]: timeout
[SHORT] bad failed in [DURATION]: exit 3
slow bad: 1
--- run 124
dispatch wait good later --timeout 100ms
--- stdout has
good succeeded
--- stderr has
later is held still, and goes on
--- run 1
dispatch wait nobody-asked --timeout 100ms
--- stderr has
there is no request `nobody-asked`
--- run
# Ctrl-C ends the waiting and nothing else.
dispatch wait later & waiting=$!
until grep -q '^SigCgt:.*[2367abef]$' /proc/$waiting/status; do kill -0 $waiting; sleep 0.02; done
kill -INT $waiting
code=0; wait $waiting || code=$?
echo "ended with $code"
dispatch list --pending
--- stdout has
ended with 130
later
--- stderr has
later is held still, and goes on
