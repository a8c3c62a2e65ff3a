An explicit id that another request already has is rejected; the first one keeps it.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/a.yml
kind: deploy
id: 00000000-0000-4000-8000-00000000000a
--- file requests/b.yml
kind: deploy
id: 00000000-0000-4000-8000-00000000000a
spec: {other: true}
--- run
dispatch run
--- content logs/a/status.yml outcome id
outcome: succeeded
id: 00000000-0000-4000-8000-00000000000a
--- content logs/b/status.yml status outcome
status: error
outcome: rejected
--- content has logs/b/error.log
00000000-0000-4000-8000-00000000000a
