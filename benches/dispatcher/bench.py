#!/usr/bin/env python3
"""What the dispatcher costs as a whole, beside the machine's own limit, in one run on fresh folders.

See docs/performance.md for what the figures mean. Called by scripts/bench.sh, which builds what it needs.
"""
import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BWRAP = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "LANG": "C.UTF-8",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@example.com",
}

# How the user's clone of a large repository is made.
WAYS = ("full", "blob:none", "shallow")
HANDLER = "#!/bin/sh\nexit 0\n"
SCHEMA = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false, "required": ["service", "replicas"],
 "properties": {"service": {"type": "string", "minLength": 1}, "replicas": {"type": "integer", "minimum": 0}, "ports": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}}}}
"""
CONFIG = """repo: {purpose: infrastructure-orchestration, strategy: git-merge-execution}
codex: {deploy_trigger_path: requests/, deploy_output_path: logs/, mainline_branch: main, enforce_merge_before_execution: true, cleanup_after_success: true, layout: dated}
"""


# The distribution's own, where its packages are; what comes first on the search path may be a slow stand-in.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


def run(*command, **options):
    return subprocess.run(command, check=True, env=ENVIRONMENT, **options)


def git(*arguments, **options):
    return run("git", *arguments, **options)


class Stream:
    """What `git fast-import` reads."""

    def __init__(self, repository):
        self.process = subprocess.Popen(
            ["git", "-C", repository, "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"], stdin=subprocess.PIPE, env=ENVIRONMENT
        )
        self.out = self.process.stdin

    def data(self, text):
        data = text.encode()
        self.out.write(b"data %d\n" % len(data) + data + b"\n")

    def commit(self, when, words, first=None):
        self.out.write(b"commit refs/heads/main\ncommitter bench <bench@example.com> %d +0000\n" % when)
        self.data(words)
        if first:
            self.out.write(b"from %s\n" % first.encode())

    def file(self, path, text, mode="100644"):
        self.out.write(f"M {mode} inline {path}\n".encode())
        self.data(text)

    def end(self):
        self.out.close()
        if self.process.wait():
            sys.exit("bench: git fast-import failed")


def request(number, kind="noop", more=""):
    return f"kind: {kind}\nresource: service/{number}\n{more}spec:\n  service: frontend-{number}\n  replicas: 3\n  ports: [8080, 9090]\n"


def archive_of(folder, count):
    """A bare repository with `count` records of ten years, made once: `(path, commit)`."""
    path = f"{folder}/archive-{count}.git"
    if not os.path.exists(f"{path}/made"):
        shutil.rmtree(path, ignore_errors=True)
        git("init", "-q", "--bare", "-b", "main", path)
        say(f"making an archive of {count:,} records, once, in {path}")
        stream = Stream(path)
        first = 1_420_070_400
        a_day = max(1, count // 3650 + 1)
        stream.commit(first, "start\n")
        stream.file("handlers/noop.sh", HANDLER, "100755")
        stream.file("handlers/index.yml", "noop: handlers/noop.sh\n")
        stream.file("schemas/noop.schema.json", SCHEMA)
        stream.file("codex.repo.yaml", CONFIG)
        stream.file("requests/.gitkeep", "")
        stream.out.write(b"blob\nmark :1\n")
        stream.data('{"ev":"exited","code":0}\n')
        done = 0
        while done < count:
            when = first + (done // a_day) * 86400 + 3600
            stream.commit(when, "records\n")
            day = time.strftime("%Y/%m/%d", time.gmtime(when))
            for number in range(done, min(done + a_day, count)):
                name = f"{day}/noop-{number:07}-{number:08x}"
                stream.file(f"processed/{name}.yml", request(number))
                stream.file(f"logs/{name}/status.yml", f"v: 1\nstatus: success\noutcome: succeeded\nid: 00000000-0000-4000-8000-{number:012x}\n")
                stream.out.write(f"M 100644 :1 logs/{name}/log.jsonl\n".encode())
            done += a_day
        stream.end()
        open(f"{path}/made", "w").close()
    return path


def large_origin(folder, size):
    """A bare repository with much of everything, made once: files, commits, kinds and requests that wait for a far day."""
    files, commits, kinds, pending = round(100_000 * size), round(500_000 * size), 200, round(10_000 * size)
    path = f"{folder}/large-{size:g}.git"
    if os.path.exists(f"{path}/made"):
        return path
    shutil.rmtree(path, ignore_errors=True)
    git("init", "-q", "--bare", "-b", "main", path)
    say(f"making {files:,} files of 20 KB, {commits:,} commits, {kinds} kinds and {pending:,} requests, once, in {path}")
    stream, when, noise = Stream(path), 1_420_070_400, random.Random(1)
    stream.commit(when, "start\n")
    stream.file("handlers/noop.sh", HANDLER, "100755")
    row = "{run: handlers/noop.sh, sandbox: {level: confined}}"
    stream.file("handlers/index.yml", "".join(f"kind-{number:03}: {row}\n" for number in range(kinds)))
    for number in range(kinds):
        stream.file(f"schemas/kind-{number:03}.schema.json", SCHEMA)
    stream.file("codex.repo.yaml", CONFIG)
    for number in range(files):
        stream.out.write(b"M 100644 inline data/%02x/%02x/%06d.bin\n" % (number % 256, number // 256 % 256, number))
        stream.out.write(b"data 20480\n" + noise.randbytes(20480) + b"\n")
    for number in range(commits):
        stream.commit(when + number, "work\n")
        stream.file("counter", f"{number}\n")
    stream.commit(when + commits, "requests\n")
    for number in range(pending):
        kind = f"kind-{1 + number % (kinds - 1):03}"
        stream.file(f"requests/waits-{number:06}.yml", request(number, kind, "not_before: 2100-01-01T00:00:00Z\n"))
    stream.end()
    open(f"{path}/made", "w").close()
    return path


def stored(repository):
    """Bytes of objects of a repository's own."""
    objects = f"{repository}/objects" if os.path.isdir(f"{repository}/objects") else f"{repository}/.git/objects"
    return sum(os.path.getsize(f"{place}/{name}") for place, _, names in os.walk(objects) for name in names)


class Inbox:
    """A bare origin with requests on main, a clone of it, and a state folder, all fresh."""

    def __init__(self, folder, requests, archive=None, level="none", bare=False):
        # They stay until everything is measured: ext4 is slow to create for a minute after much was deleted.
        self.folder = tempfile.mkdtemp(prefix="inbox-", dir=folder)
        # Handlers at level `none` run as another user.
        os.chmod(self.folder, 0o711)
        self.origin, self.work, self.state = (f"{self.folder}/{name}" for name in ("origin.git", "work", "state"))
        if archive:
            git("clone", "-q", "--bare", "--shared", archive, self.origin)
        else:
            git("init", "-q", "--bare", "-b", "main", self.origin)
        git("-C", self.origin, "config", "gc.auto", "0")
        stream = Stream(self.origin)
        stream.commit(int(time.time()), f"bench: {requests} requests\n", "refs/heads/main^0" if archive else None)
        stream.file("handlers/noop.sh", HANDLER, "100755")
        stream.file("handlers/index.yml", f"noop: {{run: handlers/noop.sh, sandbox: {{level: {level}}}}}\n")
        stream.file("schemas/noop.schema.json", SCHEMA)
        stream.file("codex.repo.yaml", CONFIG)
        for place in ("requests", "processed", "logs"):
            stream.file(f"{place}/.gitkeep", "")
        for number in range(requests):
            stream.file(f"requests/noop-{number:06}.yml", request(number))
        stream.end()
        git("clone", "-q", *(["--bare"] if bare else []), self.origin, self.work)
        git("-C", self.work, "config", "gc.auto", "0")
        if bare:
            git("-C", self.work, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        self.host = f"{self.folder}/host.yaml"
        with open(self.host, "w") as host:
            host.write("node: bench\nlevels: {minimum: confined, none: [noop]}\n")

    def dispatch(self, program, *arguments):
        return [program, "--state", self.state, "--host", self.host, *arguments]

    def ask(self, numbers):
        """More requests on the origin's main."""
        stream = Stream(self.origin)
        stream.commit(int(time.time()), "more\n", "refs/heads/main^0")
        for number in numbers:
            stream.file(f"requests/more-{number:06}.yml", request(number))
        stream.end()

    def must_be_done(self):
        left = git("-C", self.origin, "ls-tree", "--name-only", "main:requests", capture_output=True, text=True).stdout.split()
        if left != [".gitkeep"]:
            sys.exit(f"bench: not all was done: {left[:3]}")

    def size(self):
        """Bytes of the origin after a repack."""
        git("-C", self.origin, "repack", "-adq")
        out = git("-C", self.origin, "count-objects", "-v", capture_output=True, text=True).stdout
        return int(re.search(r"size-pack: (\d+)", out)[1]) * 1024


def measured(command, cwd):
    """Seconds, CPU seconds, peak memory in bytes of the process itself, and the exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peak = [0]

    def watch():
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status") as status:
                    found = re.search(r"VmHWM:\s+(\d+)", status.read())
                    peak[0] = max(peak[0], int(found[1]) * 1024 if found else 0)
            except OSError:
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    out = process.stdout.read()
    code = process.wait()
    took = time.monotonic() - start
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if code:
        sys.exit(f"bench: {' '.join(command)} ended with {code}: {out.decode()[-2000:]}")
    return took, cpu, peak[0], out


class Bench:
    def __init__(self, options):
        self.options = options
        self.dir = os.path.abspath(options.dir)
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o711)
        self.results = {}

    def add(self, name, **figures):
        for figure, value in figures.items():
            self.results.setdefault(name, {}).setdefault(figure, []).append(value)
        say(f"{name}: " + ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items()))

    def spawn(self, name, count, threads, *command):
        out = subprocess.run([f"{self.dir}/spawn", str(count), str(threads), *command], check=True, env=ENVIRONMENT, capture_output=True, text=True)
        self.add(name, ms=float(out.stdout.split(", ")[1].split()[0]))

    def sticks(self):
        count = self.options.requests
        handler = f"{self.dir}/noop.sh"
        with open(handler, "w") as file:
            file.write(HANDLER)
        os.chmod(handler, 0o755)
        self.spawn("S", count, 1, handler)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if not shutil.which("bwrap"):
            return say("without bubblewrap: it is not installed")
        self.spawn("bubblewrap", count, 1, *BWRAP, handler)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.results["bubblewrap"].setdefault("cpu_ms", []).append(cpu / count * 1e3)

    def reference(self, box):
        if subprocess.run([PYTHON, "-c", "import jsonschema, yaml"], stderr=subprocess.DEVNULL).returncode:
            return say("without the reference: python3-jsonschema and python3-yaml are missing")
        inbox = Inbox(self.dir, self.options.requests)
        with open(f"{inbox.work}/handlers/index.yml", "w") as index:
            index.write("noop: handlers/noop.sh\n")
        took, cpu, peak, _ = measured(
            [PYTHON, f"{HERE}/reference.py", inbox.work, "--box", box, "--batch", "100", "--push", "end"], inbox.work
        )
        self.add(f"reference, {'bubblewrap' if box == 'bwrap' else 'plain'}", ms=took / self.options.requests * 1e3, cpu_ms=cpu / self.options.requests * 1e3)

    def dispatch(self, level, jobs):
        count = self.options.requests
        inbox = Inbox(self.dir, count, None, level)
        before = inbox.size()
        took, cpu, peak, _ = measured(inbox.dispatch(self.options.dispatch, "-q", "run", "--jobs", str(jobs)), inbox.work)
        growth = (inbox.size() - before) / count
        inbox.must_be_done()
        self.add(f"{level}, jobs {jobs}", ms=took / count * 1e3, cpu_ms=cpu / count * 1e3, peak_mib=peak / 2**20, growth_bytes=growth)

    def archive(self, count):
        """The first start on an archive, a pass with nothing to do, and one with a few requests."""
        archive = archive_of(self.dir, count)
        inbox = Inbox(self.dir, 1, archive, bare=True)
        name = f"{count:,} archived"
        took, *_ = measured(inbox.dispatch(self.options.dispatch, "-q", "run"), inbox.work)
        self.add(f"first start, {name}", ms=took * 1e3)
        took, _, peak, _ = measured(inbox.dispatch(self.options.dispatch, "-q", "run"), inbox.work)
        self.add(f"idle pass, {name}", ms=took * 1e3, peak_mib=peak / 2**20)
        for number in range(3):
            inbox.ask(range(100 * number, 100 * number + 10))
            took, _, peak, _ = measured(inbox.dispatch(self.options.dispatch, "-q", "run"), inbox.work)
            self.add(f"pass of 10, {name}", ms=took * 1e3, peak_mib=peak / 2**20)
        inbox.must_be_done()

    def pending(self, count):
        """Admission: what waits, parsed, validated and routed, and nothing run."""
        inbox = Inbox(self.dir, count, None, "none")
        took, cpu, peak, _ = measured(inbox.dispatch(self.options.dispatch, "check", "requests"), inbox.work)
        self.add(f"admission of {count:,}", ms=took / count * 1e3)
        took, cpu, peak, _ = measured(inbox.dispatch(self.options.dispatch, "-q", "run"), inbox.work)
        self.add(f"{count:,} pending", ms=took / count * 1e3, peak_mib=peak / 2**20)

    def scale(self, size):
        """First start and passes beside much of everything, for each way in which the user's clone may be made."""
        origin = large_origin(self.dir, size)
        for way, options in zip(WAYS, ([], ["--filter=blob:none"], ["--depth", "50"])):
            place = tempfile.mkdtemp(prefix="inbox-", dir=self.dir)
            os.chmod(place, 0o711)
            remote, work, state = (f"{place}/{name}" for name in ("origin.git", "work", "state"))
            git("clone", "-q", "--bare", "--shared", origin, remote)
            git("-C", remote, "config", "gc.auto", "0")
            git("-C", remote, "config", "uploadpack.allowFilter", "true")
            # By URL: of a path git makes no partial or shallow clone.
            took, cpu, _, _ = measured(["git", "clone", "-q", "--no-checkout", *options, f"file://{remote}", work], place)
            self.add(f"{way}: git clone, no checkout", ms=took * 1e3, cpu_ms=cpu * 1e3, store_mib=stored(work) / 2**20)
            with open(f"{place}/host.yaml", "w") as host:
                host.write("node: bench\nlevels: {minimum: confined}\n")

            def one(what, *words):
                command = [self.options.dispatch, "--state", state, "--host", f"{place}/host.yaml", *words]
                took, cpu, peak, out = measured(command, work)
                held = stored(f"{state}/repo.git") / 2**20
                self.add(f"{way}: {what}", ms=took * 1e3, cpu_ms=cpu * 1e3, peak_mib=peak / 2**20, store_mib=held)
                return out

            def ask(number):
                stream = Stream(remote)
                stream.commit(int(time.time()), "more\n", "refs/heads/main^0")
                stream.file(f"requests/now-{number}.yml", request(number, "kind-000"))
                stream.end()

            one("first start, nothing to start", "-q", "run")
            waiting = json.loads(one("list --pending", "list", "--pending", "--json"))["requests"]
            if len(waiting) != round(10_000 * size):
                sys.exit(f"bench: {len(waiting)} requests wait, and not all that should")
            one("the same again", "-q", "run")
            ask(1)
            one("first request: its files are made", "-q", "run")
            ask(2)
            one("another request", "-q", "run")

    def commands(self, archived):
        self.spawn("/bin/true", 200, 1, "/bin/true")
        self.spawn("--version", 50, 1, self.options.dispatch, "--version")
        archive = archive_of(self.dir, archived) if archived else None
        inbox = Inbox(self.dir, 3, archive, bare=archived > 0)
        measured(inbox.dispatch(self.options.dispatch, "-q", "run"), inbox.work)
        listed = json.loads(measured(inbox.dispatch(self.options.dispatch, "list", "--json"), inbox.work)[3])
        rows = listed if isinstance(listed, list) else next(value for value in listed.values() if isinstance(value, list))
        one = rows[0]["id"]
        for name, words in {"status ID": ["status", one], "list": ["list"]}.items():
            for _ in range(5):
                took, *_ = measured(inbox.dispatch(self.options.dispatch, *words), inbox.work)
                self.results.setdefault(f"{name}, {archived:,} archived", {}).setdefault("ms", []).append(took * 1e3)

    def watch(self):
        """From a push of a request to its record on main; then what it costs to do nothing."""
        inbox = Inbox(self.dir, 1, None, "isolated")
        process = subprocess.Popen(
            inbox.dispatch(self.options.dispatch, "-q", "watch"), cwd=inbox.work, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def tip():
            with open(f"{inbox.origin}/refs/heads/main") as file:
                return file.read().strip()

        def until(moved_from):
            deadline = time.monotonic() + 60
            while tip() == moved_from:
                if time.monotonic() > deadline:
                    sys.exit("bench: no record within a minute")
                time.sleep(0.0005)

        try:
            git("-C", inbox.origin, "update-ref", "refs/heads/main", tip())
            until(tip())
            other = f"{inbox.folder}/other"
            git("clone", "-q", inbox.origin, other)
            for number in range(15):
                git("-C", other, "pull", "-q", "--ff-only")
                os.makedirs(f"{other}/requests", exist_ok=True)
                with open(f"{other}/requests/watch-{number}.yml", "w") as file:
                    file.write(request(number))
                git("-C", other, "add", "-A")
                git("-C", other, "commit", "-qm", "request")
                start = time.monotonic()
                git("-C", other, "push", "-q")
                pushed = time.monotonic()
                until(git("-C", other, "rev-parse", "HEAD", capture_output=True, text=True).stdout.strip())
                self.add("merge to record", ms=(time.monotonic() - pushed) * 1e3)
                self.add("one push by git", ms=(pushed - start) * 1e3)
            time.sleep(1)

            def spent():
                """CPU seconds: of its own threads to the nanosecond, for a tick is more than it may need, and of what it started."""
                own = 0
                for thread in os.listdir(f"/proc/{process.pid}/task"):
                    with open(f"/proc/{process.pid}/task/{thread}/schedstat") as file:
                        own += int(file.read().split()[0])
                with open(f"/proc/{process.pid}/stat") as file:
                    fields = file.read().rsplit(") ", 1)[1].split()
                return own / 1e9 + sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")

            before = spent()
            time.sleep(30)
            self.add("idle watch, 30 s", cpu_ms=(spent() - before) * 1e3)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        for _ in range(5):
            _, cpu, _, _ = measured(["git", "ls-remote", "--", inbox.origin, "refs/heads/main"], inbox.work)
            self.add("git ls-remote", cpu_ms=cpu * 1e3)


def ratio(of, by, figure="ms"):
    return lambda figures: figures[of][figure] / figures[by][figure]


# What is promised and what is hoped for: words, the figure of one run, must, goal, and whether more is better.
TARGETS = [
    ("none, jobs 1, against S", ratio("S", "none, jobs 1"), 0.55, 0.75, True),
    ("confined, jobs 1, against S", ratio("S", "confined, jobs 1"), 0.45, 0.65, True),
    ("isolated, jobs 1, against bubblewrap one at a time", ratio("bubblewrap", "isolated, jobs 1"), 1.5, 2.5, True),
    ("isolated, jobs 2, against S", ratio("S", "isolated, jobs 2"), 0.6, 0.9, True),
    ("isolated, jobs 2, against the reference in bubblewrap", ratio("reference, bubblewrap", "isolated, jobs 2"), 5, 9, True),
    ("CPU a request, isolated, against a bubblewrap start", ratio("isolated, jobs 1", "bubblewrap", "cpu_ms"), 1.0, 0.6, False),
    ("a pass of 10 at 1,000,000 archived, against 1,000", ratio("pass of 10, 1,000,000 archived", "pass of 10, 1,000 archived"), 1.3, 1.1, False),
    ("growth of the repository a request in a batch, KB", lambda figures: figures["none, jobs 1"]["growth_bytes"] / 1024, 2, 1, False),
    ("peak memory, 10,000 pending, MiB", lambda figures: figures["10,000 pending"]["peak_mib"], 64, 32, False),
    ("merge to record, watch, against an isolated start and a push", lambda figures: figures["merge to record"]["ms"]
        / (figures["isolated, jobs 1"]["ms"] + figures["one push by git"]["ms"]), 3, 1.5, False),
    ("idle watch for 30 s, CPU against one git ls-remote", ratio("idle watch, 30 s", "git ls-remote", "cpu_ms"), 6, 2.5, False),
    ("--version, against /bin/true", ratio("--version", "/bin/true"), 4, 2, False),
    ("status ID at 1,000,000 archived, against /bin/true", ratio("status ID, 1,000,000 archived", "/bin/true"), 25, 8, False),
    ("list at 1,000,000 archived, against /bin/true", ratio("list, 1,000,000 archived", "/bin/true"), 25, 8, False),
    ("admission of each of 10,000, against /bin/true", ratio("admission of 10,000", "/bin/true"), 0.15, 0.06, False),
]


DEFAULT_PARTS = ["throughput", "archive", "pending", "commands", "watch"]


def judged(rounds):
    """Each target by the ratios within a round: machines change from one to the next."""
    rows = []
    for words, figure, must, goal, more in TARGETS:
        values = []
        for figures in rounds:
            try:
                values.append(figure(figures))
            except KeyError:
                pass
        row = {"what": words, "must": must, "goal": goal, "more_is_better": more, "rounds": values}
        if values:
            value = statistics.median(values)
            # By more than a tenth, in two of three rounds.
            bad = sum(one < must * 0.9 if more else one > must * 1.1 for one in values)
            row.update(value=value, missed=bad * 3 >= len(values) * 2, must_met=value >= must if more else value <= must,
                       goal_met=value >= goal if more else value <= goal)
        rows.append(row)
    return rows


def word_on(row):
    """What is said of a target in a word."""
    if "value" not in row:
        return "not measured"
    return "MISSED" if row["missed"] else "goal" if row["goal_met"] else "must" if row["must_met"] else "within a tenth"


COLUMNS = [("ms", "ms", 1), ("cpu_ms", "CPU ms", 1), ("peak_mib", "peak MiB", 1), ("growth_bytes", "KB each", 1024), ("store_mib", "store MiB", 1)]


def table(figures, rows):
    print(f"{'':48} " + " ".join(f"{title:>9}" for _, title, _ in COLUMNS))
    for name, row in figures.items():
        cells = [row[figure] / unit if figure in row else None for figure, _, unit in COLUMNS]
        print(f"{name:48} " + " ".join(f"{cell:9.3f}" if cell is not None else " " * 9 for cell in cells))
    print(f"\n{'':60} {'here':>8} {'must':>8} {'goal':>8}")
    for row in rows:
        here = f"{row['value']:8.3g}" if "value" in row else " " * 8
        print(f"{row['what']:60} {here} {row['must']:8g} {row['goal']:8g}  {word_on(row)}")


def machine():
    """What it was measured on, in a line."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    with open("/proc/meminfo") as file:
        memory = int(re.search(r"MemTotal: +(\d+)", file.read())[1]) / 2**20
    git_version = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.split()[2]
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    return f"{os.cpu_count()} processors ({model[1] if model else os.uname().machine}), {memory:.0f} GiB, Linux {os.uname().release}, git {git_version}, as {user}"


def in_markdown(header, lines):
    return "\n".join(["| " + " | ".join(header) + " |", "|---" * len(header) + "|", *("| " + " | ".join(line) + " |" for line in lines)])


def sections(figures, rows, options, parts):
    """The tables of docs/performance.md, as far as this run measured all of each."""
    found, where = {}, f"{machine()}; medians of {options.rounds} round{'s' if options.rounds != 1 else ''}."
    cell = lambda value: "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    def figures_of(names):
        kept = [column for column in COLUMNS if any(column[0] in figures[name] for name in names)]
        lines = [[name, *(cell(figures[name][figure] / unit if figure in figures[name] else None) for figure, _, unit in kept)] for name in names]
        return in_markdown(["", *(title for _, title, _ in kept)], lines)

    scale = [name for name in figures if name.startswith(WAYS)]
    if set(DEFAULT_PARTS) <= set(parts):
        lines = []
        for row in rows:
            spread = f"{min(row['rounds']):.3g} to {max(row['rounds']):.3g}" if row["rounds"] else ""
            here = f"**{row['value']:.3g}**" if "value" in row else ""
            lines.append([row["what"], here, spread, f"{row['must']:g}", f"{row['goal']:g}", word_on(row)])
        found["targets"] = where + "\n\n" + in_markdown(["what", "here", "rounds", "must", "goal", "reaches"], lines)
        found["figures"] = figures_of([name for name in figures if name not in scale])
    if scale:
        found["scale"] = f"At `--size {options.size:g}`: {where}\n\n" + figures_of(scale)
    return found


def written_into(text, found):
    """A page with its tables replaced: each stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`."""
    for name, table_text in found.items():
        begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ValueError(f"it has no `{begin}` with a `{end}` behind it")
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{table_text}\n{end}{rest.split(end)[1]}"
    return text


def chart(rows, path):
    """How far each figure is from its must, as bars: longer is better, and the dashed line has to be reached."""
    rows = [row for row in rows if "value" in row]
    line, left, scale, most, top = 26, 440, 150, 3.3, 74
    right = left + round(most * scale)
    width, height = right + 230, top + line * len(rows) + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
           "<title>Each figure beside what is promised; longer is better</title>",
           "<style>.p{fill:#fff}text{fill:#1f2328}.q{fill:#656d76}.b{fill:#4a7fb5}.o{fill:#3f8f55}.m{fill:#c0504d}"
           ".g{stroke:#1f2328}.a{stroke:#656d76}"
           "@media(prefers-color-scheme:dark){.p{fill:#0d1117}text{fill:#e6edf3}.q{fill:#9198a1}.b{fill:#5b93cc}.o{fill:#57ab6e}.m{fill:#e0706c}.g{stroke:#e6edf3}.a{stroke:#9198a1}}</style>",
           f'<rect class="p" width="{width}" height="{height}"/>']
    legend = [("b", "reaches its must"), ("o", "reaches its goal"), ("m", "misses its must")]
    for index, (colour, words) in enumerate(legend):
        x = left + index * 150
        out.append(f'<rect class="{colour}" x="{x}" y="12" width="12" height="12"/><text x="{x + 18}" y="23">{words}</text>')
    out.append(f'<line class="g" x1="{left + 450}" x2="{left + 450}" y1="9" y2="27" stroke-width="2"/><text x="{left + 458}" y="23">goal</text>')
    out.append(f'<text class="q" x="{right + 112}" y="58" text-anchor="end">here</text><text class="q" x="{right + 162}" y="58" text-anchor="end">must</text>'
               f'<text class="q" x="{right + 212}" y="58" text-anchor="end">goal</text>')
    out.append(f'<text x="{left + scale}" y="58" text-anchor="middle">must</text>')
    for index, row in enumerate(rows):
        more = row["more_is_better"]
        share = row["value"] / row["must"] if more else row["must"] / row["value"]
        goal = row["goal"] / row["must"] if more else row["must"] / row["goal"]
        y = top + index * line
        end = left + min(share, most) * scale
        colour = "m" if not row["must_met"] else "o" if row["goal_met"] else "b"
        out.append(f'<text x="{left - 10}" y="{y + 13}" text-anchor="end">{row["what"]}</text>')
        out.append(f'<rect class="{colour}" x="{left}" y="{y + 1}" width="{max(end - left, 1):.0f}" height="16"/>')
        if share > most:
            out.append(f'<text class="q" x="{end + 6:.0f}" y="{y + 13}">{share:.2g} x</text>')
        out.append(f'<line class="g" x1="{left + goal * scale:.0f}" x2="{left + goal * scale:.0f}" y1="{y - 2}" y2="{y + 20}" stroke-width="2"/>')
        for x, value in ((112, row["value"]), (162, row["must"]), (212, row["goal"])):
            out.append(f'<text x="{right + x}" y="{y + 13}" text-anchor="end"{"" if x == 112 else " class=&quot;q&quot;".replace("&quot;", chr(34))}>{value:.3g}</text>')
    out.append(f'<line class="a" x1="{left + scale}" x2="{left + scale}" y1="64" y2="{top + line * len(rows)}" stroke-dasharray="4 3"/></svg>')
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("parts", nargs="*")
    cli.add_argument("--dispatch", required=True)
    cli.add_argument("--dir", required=True)
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--requests", type=int, default=1000)
    cli.add_argument("--json", action="store_true")
    cli.add_argument("--svg")
    cli.add_argument("--check", action="store_true")
    cli.add_argument("--archived", default="1000,100000,1000000")
    cli.add_argument("--size", type=float, default=1.0)
    cli.add_argument("--markdown", metavar="FILE")
    options = cli.parse_args()
    bench = Bench(options)
    subprocess.run(["cc", "-O2", "-pthread", f"{HERE}/spawn.c", "-o", f"{bench.dir}/spawn"], check=True)
    parts = options.parts or DEFAULT_PARTS
    for left in os.listdir(bench.dir):
        if left.startswith("inbox-"):
            sys.exit(f"bench: {bench.dir}/{left} is left from another run: delete it, and wait a minute (ext4 is slow to create after deletions)")
    try:
        measure(bench, options, parts)
    finally:
        for left in os.listdir(bench.dir):
            if left.startswith("inbox-"):
                shutil.rmtree(f"{bench.dir}/{left}")


def measure(bench, options, parts):
    rounds = []
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        bench.results = {}
        if "throughput" in parts:
            bench.sticks()
            for box in ("none", "bwrap") if shutil.which("bwrap") else ("none",):
                bench.reference(box)
            for level in ("none", "confined", "isolated"):
                for jobs in (1, 2):
                    bench.dispatch(level, jobs)
        if "archive" in parts:
            for count in map(int, options.archived.split(",")):
                bench.archive(count)
        if "pending" in parts:
            bench.pending(10_000)
        if "commands" in parts:
            bench.commands(max(map(int, options.archived.split(","))))
        if "watch" in parts:
            bench.watch()
        if "scale" in parts:
            bench.scale(options.size)
        rounds.append({name: {figure: statistics.median(values) for figure, values in rows.items()} for name, rows in bench.results.items()})
    rows = judged(rounds)
    figures = {
        name: {figure: statistics.median(round[name][figure] for round in rounds) for figure in row} for name, row in rounds[0].items()
    }
    if options.json:
        print(json.dumps({"figures": figures, "targets": rows, "rounds": options.rounds}, indent=1))
    else:
        table(figures, rows)
    if options.svg:
        chart(rows, options.svg)
    if options.markdown:
        write_tables(options.markdown, sections(figures, rows, options, parts))
    if options.check and any(row.get("missed") for row in rows):
        sys.exit(1)


def write_tables(path, found):
    if not found:
        return say(f"no table of {path} was measured whole: that takes every part, or scale")
    try:
        with open(path) as file:
            text = written_into(file.read(), found)
    except (OSError, ValueError) as error:
        sys.exit(f"bench: {path}: {error}")
    with open(path, "w") as file:
        file.write(text)
    say(f"{path}: written {', '.join(found)}")


if __name__ == "__main__":
    main()
