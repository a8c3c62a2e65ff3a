Each line of log.jsonl is one JSON object with a version, contiguous numbers from the first, and an event; control characters of the output are escaped.
--- file handlers/index.yml
noise: handlers/noise.sh
--- file handlers/noise.sh
#!/bin/sh
echo out
echo err >&2
printf 'bell \007 and \033[31mred\n'
printf '\377\376 not utf-8\n'
--- file requests/a.yml
kind: noise
--- run
dispatch run
origin show HEAD:logs/a/log.jsonl > "$STORY/log.jsonl"
python3 - "$STORY/log.jsonl" <<'END'
import json, sys
raw = open(sys.argv[1], "rb").read()
assert not any(byte < 32 and byte != 10 for byte in raw), "raw control characters"
lines = [json.loads(line) for line in raw.splitlines()]
first = lines[0]["seq"]
assert [line["seq"] for line in lines] == list(range(first, first + len(lines)))
assert all(line["v"] == 1 and line["ts"].endswith("Z") for line in lines)
events = [line["ev"] for line in lines]
for wanted in ("started", "output", "exited"):
    assert wanted in events, (wanted, events)
output = [line for line in lines if line["ev"] == "output"]
assert {line["stream"] for line in output} == {"stdout", "stderr"}
assert any("base64" in line for line in output)
print("well formed")
END
--- stdout has
well formed
