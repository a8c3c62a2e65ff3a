The dated layout files archive and log by the day of the introducing commit.
--- file codex.repo.yaml
codex: {layout: dated}
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- file requests/team/b.yml
kind: greet
id: 00000000-0000-4000-8000-0000000000ab
--- run
dispatch run
origin ls-tree -r --name-only HEAD processed/ > "$STORY/processed"
grep -E '^processed/2026/01/02/a-[0-9a-f]{8}\.yml$' "$STORY/processed"
--- stdout has
processed/2026/01/02/a-
--- tree requests
--- content has logs/team/2026/01/02/b-000000ab/status.yml
status: success
