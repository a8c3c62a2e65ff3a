Dotfiles and whatever does not end in .yml or .yaml stay in the inbox and are warned of.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/.gitkeep
--- file requests/README.md
how to
--- file requests/notes.txt
notes
--- file requests/a.yaml
kind: greet
--- run
dispatch run
--- tree requests processed
processed/a.yaml
requests/.gitkeep
requests/README.md
requests/notes.txt
--- run
dispatch check 2>&1
--- stdout has
README.md
