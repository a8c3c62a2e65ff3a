What the index asks for and the host file does not grant is rejected, naming the line to add and where.
--- file handlers/index.yml
net: {run: handlers/any.sh, sandbox: {network: true}}
sec: {run: handlers/any.sh, secrets: [BACKUP_TOKEN]}
rd: {run: handlers/any.sh, sandbox: {read: [/etc/site.conf]}}
wr: {run: handlers/any.sh, sandbox: {write: [/srv/www]}}
bare: {run: handlers/any.sh, sandbox: {level: none}}
big: {run: handlers/any.sh, sandbox: {memory: 900GiB}}
--- file handlers/any.sh
#!/bin/sh
echo really-ran
--- file requests/net.yml
kind: net
--- file requests/sec.yml
kind: sec
--- file requests/rd.yml
kind: rd
--- file requests/wr.yml
kind: wr
--- file requests/bare.yml
kind: bare
--- file requests/big.yml
kind: big
--- run
dispatch run
for name in net sec rd wr bare big; do
    origin show HEAD:logs/$name/status.yml | grep -q '^outcome: rejected$' || echo "$name was not rejected"
    origin show HEAD:logs/$name/log.jsonl | grep really-ran || true
done
--- stdout lacks
was not rejected
really-ran
--- content has logs/net/error.log
network
host.yaml
--- content has logs/sec/error.log
BACKUP_TOKEN
host.yaml
--- content has logs/rd/error.log
/etc/site.conf
host.yaml
--- content has logs/wr/error.log
/srv/www
host.yaml
--- content has logs/bare/error.log
none
host.yaml
--- content has logs/big/error.log
memory
host.yaml
--- content logs/net/status.yml status outcome exit_code
status: error
outcome: rejected
exit_code: 64
