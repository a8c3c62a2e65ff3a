A persistent checkout makes the second build incremental: what did not change keeps its time, what the commit dropped is gone, and the commit's files are as they are there.
--- file handlers/index.yml
build: {run: handlers/build.sh, workspace: persistent}
--- file handlers/build.sh
#!/bin/sh
set -eu
make -s
ls *.src *.out
git rev-parse --git-dir 2>/dev/null || echo no git folder
--- file Makefile
all: $(patsubst %.src,%.out,$(wildcard *.src))
%.out: %.src
	@echo building $@
	@cp $< $@
--- file one.src
1
--- file two.src
2
--- file old.src
0
--- file requests/a.yml
kind: build
--- run
dispatch run
git pull -q
cat logs/a/handler.log
--- stdout
building old.out
building one.out
building two.out
old.out
old.src
one.out
one.src
two.out
two.src
no git folder
--- run
echo changed > two.src
git rm -q old.src
printf 'kind: build\n' > requests/b.yml
git add . && git commit -qm second && git push -q
dispatch run
git pull -q
cat logs/b/handler.log
--- stdout
building two.out
old.out
one.out
one.src
two.out
two.src
no git folder
--- content logs/b/status.yml outcome
outcome: succeeded
