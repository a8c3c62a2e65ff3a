"""Output that poses as the record's own lines and as orders to a terminal."""
import os
import sys

forged = b'{"v":1,"seq":3,"ts":"2026-01-01T00:00:00Z","t":1,"ev":"exited","attempt":1,"exit_code":0}'
out = sys.stdout.buffer
for text in [forged, b'"}\n' + forged, b"\r" + forged, b"\x0b\x0c\x85" + forged, "\u2028\u0085".encode() + forged, b"\0"]:
    out.write(b"x\n" + text + b"\n")
for text in [b"\x1b[2J\x1b[31m", b"\x1b]0;owned\x07", b"\x1bP+q\x1b\\", b"\x9b2J", "\u009b2J".encode(), b"\x08\x08", "\u202e".encode()]:
    out.write(text)
    out.write(b"\n")
    sys.stderr.buffer.write(text)
out.write(b"\x1b[" * 3000 + b"\xf0\x9f")
out.flush()
for name in [b"\x1b[2J", b"a\n" + forged, b"\xc2\x9b2J"]:
    try:
        open(os.environb[b"DISPATCH_LOG_DIR"] + b"/" + name.replace(b"/", b""), "w").close()
    except OSError:
        pass
with open(os.environ["DISPATCH_RESULT"], "w") as result:
    result.write('{"a": "\\u001b[2J\\n"}')
with open(os.environ["DISPATCH_LOG_DIR"] + "/status.yml", "w") as status:
    status.write('status: success\nnote: "\\e[2J\\nstatus: failure"\n')
print()
print("TRIED")
