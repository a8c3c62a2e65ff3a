A command started below the clone's top finds the repository.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file requests/a.yml
kind: greet
--- run
cd handlers
dispatch run
--- tree requests processed
processed/a.yml
