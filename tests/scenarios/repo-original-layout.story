A repository laid out for the original shell dispatcher works unchanged: nested contract, flat index, archive and logs by name.
--- file codex.repo.yaml
repo:
  purpose: infrastructure-orchestration
  strategy: git-merge-execution
codex:
  deploy_trigger_path: requests/
  deploy_output_path: logs/
  mainline_branch: main
  enforce_merge_before_execution: true
  cleanup_after_success: true
--- file handlers/index.yml
# kind: handler
deploy: handlers/deploy.sh
backup: handlers/backup.py
--- file handlers/deploy.sh 755
#!/usr/bin/env bash
set -euo pipefail
request=$1
logs=$2
echo "deploying $(grep target "$request")"
echo "status: success" > "$logs/status.yml"
--- file handlers/backup.py 755
#!/usr/bin/env python3
import os, sys
data = os.path.join(os.path.dirname(__file__), "../data")
print(sorted(os.listdir(data)), sys.argv[1:])
sys.exit(1)
--- file data/one.txt
1
--- file requests/.gitkeep
--- file processed/.gitkeep
--- file logs/.gitkeep
--- file requests/2026-release.yml
kind: deploy
spec:
  target: web-1
--- file requests/nightly.yml
kind: backup
spec: {}
--- file requests/typo.yml
kind: bakcup
spec: {}
--- run
dispatch run
--- tree requests processed
processed/.gitkeep
processed/2026-release.yml
processed/nightly.yml
processed/typo.yml
requests/.gitkeep
--- content logs/2026-release/status.yml status
status: success
--- content has logs/2026-release/handler.log
target: web-1
--- content logs/nightly/status.yml status exit_code
status: failure
exit_code: 1
--- content logs/nightly/handler.log
['one.txt'] ['requests/nightly.yml', 'logs/nightly']
--- content logs/typo/status.yml status
status: error
--- content has logs/typo/error.log
Unknown handler for kind bakcup
