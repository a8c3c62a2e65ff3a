Dirty, staged and untracked files elsewhere stay as they are while the work tree follows.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file notes.txt
one
--- file staged.txt
one
--- file requests/a.yml
kind: greet
--- run
echo two > notes.txt
echo two > staged.txt
git add staged.txt
echo new > untracked.txt
dispatch run
cat notes.txt staged.txt untracked.txt
git status --porcelain
--- stdout
two
two
new
 M notes.txt
M  staged.txt
?? untracked.txt
--- tree requests processed
processed/a.yml
