Kinds that begin with `dispatch.` are the dispatcher's own: one that there is not is refused, and a nearby name is offered.
--- file handlers/index.yml
deploy: handlers/deploy.sh
--- file handlers/deploy.sh
#!/bin/sh
--- file requests/made-up.yml
kind: dispatch.cancle
--- run
dispatch run
--- content logs/made-up/status.yml outcome
outcome: rejected
--- content has logs/made-up/error.log
there is no `dispatch.cancle`
did you mean `dispatch.cancel`?
