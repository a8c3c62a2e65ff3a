All keys of codex.repo.yaml are obeyed, nested under `repo` too: other folders, another mainline branch, a commit suffix.
--- file codex.repo.yaml
repo:
  purpose: infrastructure-orchestration
  codex:
    deploy_trigger_path: queue/in/
    deploy_output_path: out
    archive_path: done/
    mainline_branch: trunk
    commit_suffix: "[skip ci]"
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
echo "$1 $2"
--- file requests/not-here.yml
kind: greet
--- file queue/in/a.yml
kind: greet
--- run
git branch -q -m trunk
git push -q -u origin trunk
origin symbolic-ref HEAD refs/heads/trunk
origin update-ref -d refs/heads/main
dispatch run
--- tree queue requests done out
done/a.yml
out/a/dispatch.log
out/a/handler.log
out/a/log.jsonl
out/a/status.yml
requests/not-here.yml
--- content out/a/handler.log
queue/in/a.yml out/a
--- history
executor: [UUID] rc=0 [skip ci]
start
