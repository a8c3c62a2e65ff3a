#!/usr/bin/env python3
"""A measuring stick: what a request asks for, done by one straightforward long-lived Python process.

    reference.py REPO [--batch N] [--push end|each|never] [--box bwrap]

Parses with PyYAML's C loader, validates with a reused jsonschema validator, locks with flock, runs with a timeout, writes a JSONL log and a status
file, moves the request, commits with the git program once per N requests, pushes with back-off. It keeps no journal and survives no crash.
"""
import argparse, fcntl, glob, json, os, subprocess, sys, tempfile, time
import jsonschema, yaml

BWRAP = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]


def git(*args):
    return subprocess.run(["git", *args], check=True)


def push():
    for attempt in range(5):
        if subprocess.run(["git", "push", "-q", "origin", "main"]).returncode == 0:
            return
        subprocess.run(["git", "pull", "-q", "--rebase", "origin", "main"])
        time.sleep(2**attempt)
    sys.exit("push failed")


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("repo")
    cli.add_argument("--batch", type=int, default=100)
    cli.add_argument("--push", choices=["end", "each", "never"], default="end")
    cli.add_argument("--box", choices=["none", "bwrap"], default="none")
    args = cli.parse_args()
    os.chdir(args.repo)
    repo = os.getcwd()
    box = [] if args.box == "none" else [*BWRAP, "--bind", repo, repo, "--chdir", repo]
    index = yaml.safe_load(open("handlers/index.yml"))
    index = {kind: row if isinstance(row, str) else row["run"] for kind, row in index.items()}
    validators = {
        kind: jsonschema.Draft202012Validator(json.load(open(f"schemas/{kind}.schema.json")))
        for kind in index
        if os.path.exists(f"schemas/{kind}.schema.json")
    }
    locks = tempfile.mkdtemp()
    pending = []

    def commit():
        if pending:
            git("add", "-A", "--", "requests", "logs", "processed")
            git("commit", "-q", "-m", f"executor: {len(pending)} requests")
            pending.clear()
            if args.push == "each":
                push()

    for path in sorted(glob.glob("requests/*.y*ml")):
        name = os.path.splitext(os.path.basename(path))[0]
        out = f"logs/{name}"
        os.makedirs(out, exist_ok=True)
        started = time.time()
        try:
            request = yaml.load(open(path), Loader=yaml.CSafeLoader)
            kind = request["kind"]
            if kind in validators:
                validators[kind].validate(request.get("spec", {}))
            with open(f"{locks}/{str(request.get('resource', kind)).replace('/', '_')}", "w") as lock, open(f"{out}/handler.log", "wb") as log:
                fcntl.flock(lock, fcntl.LOCK_EX)
                code = subprocess.run([*box, f"{repo}/{index[kind]}", path, out], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=900, start_new_session=True).returncode
            status = "success" if code == 0 else "failure"
        except Exception as error:
            code, status = 64, "error"
            open(f"{out}/error.log", "w").write(f"{error}\n")
        json.dump({"ev": "exited", "code": code, "start": started, "end": time.time()}, open(f"{out}/log.jsonl", "w"))
        open(f"{out}/status.yml", "w").write(f"status: {status}\n")
        os.replace(path, f"processed/{os.path.basename(path)}")
        pending.append(name)
        if args.push != "never" and len(pending) >= args.batch:
            commit()
    if args.push != "never":
        commit()
        if args.push == "end":
            push()


main()
