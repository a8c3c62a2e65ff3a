A codex.repo.yaml with a value of the wrong type or a path outside holds everything with 78 and names the place.
--- file codex.repo.yaml
codex:
  enforce_merge_before_execution: maybe
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run 78
dispatch run
--- stderr has
codex.repo.yaml:2:3
enforce_merge_before_execution
--- tree requests processed
requests/a.yml
--- run 78
printf 'codex:\n  deploy_output_path: ../elsewhere\n' > codex.repo.yaml
merge outside
dispatch run
--- stderr has
codex.repo.yaml:2:
--- again 78
