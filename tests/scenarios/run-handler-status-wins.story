A handler's own status.yml that says failure wins over exit 0, and its other keys are kept under `handler`.
--- file handlers/index.yml
half: handlers/half.sh
--- file handlers/half.sh
#!/bin/sh
printf 'status: failure\nnote: two of three done\n' > "$2/status.yml"
--- file requests/a.yml
kind: half
--- run
dispatch run
--- content logs/a/status.yml status outcome exit_code handler
status: failure
outcome: failed
exit_code: 0
handler:
  note: two of three done
