`agent-guide` tells an agent what may be asked for and how; `init` writes it, `--write` refreshes it between its marks, `--check` finds it stale.
--- run
cd "$STORY"
dispatch init made
cd made
dispatch agent-guide --check
grep -c 'agent-guide: begin' AGENTS.md README.codex.md
grep -q '^kind: hello$' AGENTS.md
! grep -q 'kind: deploy' README.codex.md
--- stdout has
AGENTS.md: up to date
README.codex.md: up to date
AGENTS.md:1
README.codex.md:1
--- run 1
cd "$STORY/made"
printf 'mine below\n' >> AGENTS.md
dispatch agent-guide --check
printf '#!/bin/sh\n' > handlers/greet.sh
echo 'greet: {run: handlers/greet.sh, description: Greet them all}' >> handlers/index.yml
dispatch agent-guide --check
--- stdout
AGENTS.md: up to date
README.codex.md: up to date
AGENTS.md: stale
README.codex.md: stale
--- stderr
hint: `dispatch agent-guide --write` writes it; commit that with what changed
--- run
cd "$STORY/made"
dispatch agent-guide --write
dispatch agent-guide --check --file AGENTS.md
grep -c '`greet`: Greet them all' AGENTS.md
tail -n 1 AGENTS.md
--- stdout
AGENTS.md: written
README.codex.md: written
AGENTS.md: up to date
1
mine below
--- run
cd "$STORY/made"
ln -s AGENTS.md CLAUDE.md
dispatch agent-guide --write --file CLAUDE.md
test -L CLAUDE.md
dispatch agent-guide --json > "$STORY/guide"
python3 - "$STORY/guide" <<'END'
import json, sys
guide = json.load(open(sys.argv[1]))
print(guide["v"], [kind["kind"] for kind in guide["kinds"]], guide["inbox"], len(guide["text"].splitlines()) < 100)
END
--- stdout
CLAUDE.md: up to date
1 ['greet', 'hello'] requests True
--- run 78
cd "$STORY/made"
ln -s ../outside.md OUT.md
dispatch agent-guide --write --file OUT.md
--- stderr has
`OUT.md` is not in this repository
--- run 78
cd "$STORY/made"
sed -i '/agent-guide: end/d' AGENTS.md
dispatch agent-guide --write --file AGENTS.md
--- stderr has
the marks of the guide do not pair
hint: remove the marks that are left
--- again off
