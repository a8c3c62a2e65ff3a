Requests on one resource run one after the other in the order of main, whatever their names, and others run beside them.
--- file handlers/index.yml
touch:
  run: handlers/touch.sh
  resource: "host/{spec.host}"
--- file handlers/touch.sh
#!/bin/sh
echo "begin $(date +%s%N)"
sleep 0.2
echo "end $(date +%s%N)"
--- run
mkdir -p requests
printf 'kind: touch\nspec: {host: one}\n' > requests/z.yml; merge first
printf 'kind: touch\nspec: {host: one}\n' > requests/a.yml; merge second
printf 'kind: touch\nspec: {host: one}\nresource: extra/lock\n' > requests/m.yml; merge third
dispatch run
for name in z a m; do origin show HEAD:logs/$name/handler.log; done | cut -d' ' -f2 > "$STORY/times"
test "$(wc -l < "$STORY/times")" = 6
sort -n "$STORY/times" | cmp - "$STORY/times"
--- content logs/z/status.yml outcome resource
outcome: succeeded
resource: host/one
