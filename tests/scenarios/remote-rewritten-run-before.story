Main is written anew without a record, and the commit that asked has another name now: `adopt` knows by the journal that the request has been run, and it is not run again.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo hello
--- file requests/.gitkeep
--- run
printf 'kind: greet\n' > requests/a.yml
git add requests
git commit -q -m ask
git push -q origin main
git branch mine
dispatch -q run
git checkout -q mine
git commit -q --amend -m 'ask, in other words'
git push -q --force origin mine:main
git checkout -q main
--- run 75
dispatch run
--- stderr has
main was rewritten
--- run
dispatch adopt
dispatch run
--- stdout has
adopted the rewritten main
may have been started
requests/a.yml  greet
--- content logs/a/status.yml outcome reason
outcome: indeterminate
reason: main_rewritten
--- tree requests processed
processed/a.yml
requests/.gitkeep
