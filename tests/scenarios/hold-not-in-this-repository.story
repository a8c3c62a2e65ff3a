A handler that is a Git LFS pointer, lies in a submodule or is a program without its mode holds its kind with 78, named with what to do, and `check` says the same of the work tree; other such files only stand in the record.
--- file handlers/index.yml
pointer: handlers/pointer.sh
by-list: {run: [/bin/sh, handlers/pointer.sh]}
module: modules/tool/run.sh
by-list-in-module: {run: [/bin/sh, modules/tool/run.sh]}
program: handlers/program
works: handlers/works.sh
--- file handlers/pointer.sh
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
--- file data/model.bin
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
--- file handlers/works.sh
ls -A . modules/tool
head -n 1 data/model.bin
--- file requests/pointer.yml
kind: pointer
--- file requests/by-list.yml
kind: by-list
--- file requests/module.yml
kind: module
--- file requests/by-list-in-module.yml
kind: by-list-in-module
--- file requests/program.yml
kind: program
--- file requests/works.yml
kind: works
--- run 78
git init -q modules/tool
git -C modules/tool -c user.name=T -c user.email=t@example.com commit -q --allow-empty -m one
echo '#!/bin/sh' > modules/tool/run.sh
cp /bin/echo handlers/program; chmod -x handlers/program
merge odd 2>/dev/null
dispatch run
--- stderr has
handlers/pointer.sh
git lfs untrack
--- stderr has
modules/tool/run.sh
lies in the submodule `modules/tool`
--- stderr has
handlers/program
git update-index --chmod=+x handlers/program
--- tree requests processed
processed/works.yml
requests/by-list-in-module.yml
requests/by-list.yml
requests/module.yml
requests/pointer.yml
requests/program.yml
--- content logs/works/handler.log
.:
data
handlers
logs
modules
processed
requests

modules/tool:
version https://git-lfs.github.com/spec/v1
--- content has logs/works/dispatch.log
warning
data/model.bin
modules/tool
--- run 78
dispatch check --rev HEAD
--- stdout has
Git LFS pointer
--- run 78
# Git LFS shows its files in the work tree: only the attributes say what would be committed.
echo '#!/bin/sh' > handlers/pointer.sh
echo 'handlers/pointer.sh filter=lfs' > .gitattributes
dispatch check
--- stdout has
handler `handlers/pointer.sh` is a Git LFS pointer
--- stdout has
handler `modules/tool/run.sh` lies in the submodule `modules/tool`
--- stdout has
handler `handlers/program` is a program, and not committed as executable
--- again 78
