Who asks for more than is granted is told that the owner decides, and what holds a secret back is said in the system's words.
--- host
secrets: {TOKEN: {file: /nonexistent/token, kinds: [told]}}
--- file handlers/index.yml
wide: {run: handlers/any.sh, sandbox: {network: true}}
told: {run: handlers/any.sh, secrets: [TOKEN]}
--- file handlers/any.sh
#!/bin/sh
echo really-ran
--- file requests/a.yml
kind: wide
--- file requests/b.yml
kind: told
--- run 69
dispatch run
--- content has logs/a/dispatch.log
Have the machine's owner allow what error.log names
--- run
dispatch why a
--- stdout has
have the machine's owner allow it
--- run
dispatch why b
--- stdout has
secret_unavailable: reading secret TOKEN `/nonexistent/token`: No such file or directory
--- again off
