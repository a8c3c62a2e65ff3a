Where the last tip that we saw is no longer on main, nothing is started until a person has looked: 75, then `adopt`.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
dispatch run
--- run 75
git pull -q origin main 2>/dev/null || true
git reset -q --hard HEAD~1
printf 'kind: greet\nspec: {other: true}\n' > requests/b.yml
git add -A
git commit -q -m 'history was rewritten'
git push -q --force origin main
dispatch run
--- stderr has
dispatch adopt
--- history
history was rewritten
start
--- run
dispatch adopt
dispatch run
--- content logs/b/status.yml outcome
outcome: succeeded
