#!/usr/bin/env python3
"""backup: make a dated archive of a host folder, prove that it can be read back, and prune old ones.

    spec:   {source: absolute host folder, target: absolute host folder, name: default the source's last part,
             keep: how many archives stay (default 7), exclude: [patterns]}
    makes:  <target>/<name>-<UTC stamp>.tar.gz            written under another name, synced, read back, renamed
            <target>/<name>-<UTC stamp>.manifest.json     sha256 of the archive and of every file in it
            <log folder>/manifest.json                    the same, as an artifact of the record
    result: {archive, sha256, archive_bytes, files, bytes, skipped, changed, pruned}
    exits:  0 done, 64 the spec cannot be used, 73 a folder cannot be used, 75 try again, 1 the archive is bad

Called as every handler: argv is `<request file> <log folder>`, the request is one JSON document on standard input.
Running it twice makes two archives and harms nothing. Only the standard library; Python 3.9 or newer.
"""

import base64
import datetime
import fnmatch
import gzip
import hashlib
import json
import os
import re
import stat
import sys
import tarfile

CHUNK_BYTES = 1 << 20


class Stop(Exception):
    """Ends the run with an exit code and one line that says why."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main(argv):
    if len(argv) != 3:
        raise Stop(64, "usage: backup.py <request file> <log folder> < request.json")
    log_folder = argv[2]
    spec = read_spec(sys.stdin.buffer.read())
    source, target, name, keep = spec["source"], spec["target"], spec["name"], spec["keep"]

    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    stem = os.path.join(target, f"{name}-{stamp}")
    archive, manifest_path = stem + ".tar.gz", stem + ".manifest.json"
    part = os.path.join(target, f".{name}-{stamp}.tar.gz.part")
    if os.path.lexists(archive):
        raise Stop(75, f"`{archive}` is already there; trying again takes a new stamp")
    remove_leftovers(target, name)

    try:
        entries, changed = write_archive(part, source, spec["exclude"])
        problem = read_back(part, entries)
        if problem:
            raise Stop(1, f"the archive does not hold what was written: {problem}")
        manifest = {
            "version": 1,
            "archive": os.path.basename(archive),
            "archive_bytes": os.path.getsize(part),
            "sha256": digest_of(part),
            "source": source,
            "request": os.environ.get("DISPATCH_ID"),
            "entries": entries,
            "changed_while_read": changed,
        }
        text = (json.dumps(manifest, indent=1, sort_keys=False) + "\n").encode("ascii")
        # The manifest first: an archive that can be seen always has one.
        write_whole(manifest_path, text)
        os.rename(part, archive)
        sync_folder(target)
    except BaseException:
        for path in (part, manifest_path):
            if os.path.lexists(path) and not os.path.lexists(archive):
                os.unlink(path)
        raise

    write_whole(os.path.join(log_folder, "manifest.json"), text)
    pruned = prune(target, name, keep, os.path.basename(archive))
    files = [entry for entry in entries if entry["type"] == "file"]
    skipped = sum(1 for entry in entries if entry["type"] == "skipped")
    result = {
        "archive": archive,
        "sha256": manifest["sha256"],
        "archive_bytes": manifest["archive_bytes"],
        "files": len(files),
        "bytes": sum(entry["bytes"] for entry in files),
        "skipped": skipped,
        "changed": len(changed),
        "pruned": pruned,
    }
    print(f"{archive}: {result['files']} files, {result['bytes']} bytes, sha256 {result['sha256']}")
    if os.environ.get("DISPATCH_RESULT"):
        with open(os.environ["DISPATCH_RESULT"], "w", encoding="ascii") as handle:
            handle.write(json.dumps(result) + "\n")
    return 0


def read_spec(document):
    """The checked spec, every default filled in."""
    try:
        request = json.loads(document)
    except ValueError as error:
        raise Stop(64, f"the request on standard input is no JSON: {error}") from error
    spec = request.get("spec") if isinstance(request, dict) else None
    if not isinstance(spec, dict):
        raise Stop(64, "the request holds no spec")
    known = ("source", "target", "name", "keep", "exclude")
    for key in spec:
        if key not in known:
            raise Stop(64, f"unknown key `{key}` in spec; known: {', '.join(known)}")

    folders = {}
    for key in ("source", "target"):
        path = spec.get(key)
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise Stop(64, f"spec.{key} must be an absolute path without `..`")
        folders[key] = os.path.normpath("/" + path.lstrip("/"))
    source, target = folders["source"], folders["target"]
    name = spec.get("name", os.path.basename(source))
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise Stop(64, f"the name {name!r} cannot begin a file name; give spec.name")
    keep = spec.get("keep", 7)
    if isinstance(keep, bool) or not isinstance(keep, int) or not 1 <= keep <= 999:
        raise Stop(64, "spec.keep must be a number from 1 to 999")
    exclude = spec.get("exclude", [])
    if not isinstance(exclude, list) or not all(isinstance(pattern, str) and pattern for pattern in exclude):
        raise Stop(64, "spec.exclude must be a list of patterns")

    if not os.path.isdir(source):
        raise Stop(73, f"spec.source `{source}` is no folder here: may this kind read it?")
    if os.path.commonpath([os.path.realpath(source), os.path.realpath(target)]) == os.path.realpath(source):
        raise Stop(64, f"spec.target `{target}` lies inside spec.source: the backup would hold itself")
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise Stop(73, f"creating `{target}` failed: {error.strerror}: may this kind write there?") from error
    return {"source": source, "target": target, "name": name, "keep": keep, "exclude": exclude}


def write_archive(path, source, exclude):
    """Write the archive in the order of the names; the same tree gives the same bytes, whenever it is made."""
    entries, changed = [], []
    with open(path, "xb") as raw:
        os.chmod(path, 0o600)
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for relative, status in walk(source, exclude):
                    add(tar, source, relative, status, entries, changed)
        raw.flush()
        os.fsync(raw.fileno())
    return entries, changed


def walk(source, exclude):
    """Every path below the source with its status, folders before what is in them, names in byte order."""
    pending = [""]
    while pending:
        relative = pending.pop()
        full = os.path.join(source, relative) if relative else source
        try:
            status = os.lstat(full) if relative else os.stat(full)
            names = os.listdir(full) if stat.S_ISDIR(status.st_mode) else []
        except FileNotFoundError:
            print(f"`{full}` went away while the folder was read", file=sys.stderr)
            continue
        if relative:
            yield relative, status
        children = [f"{relative}/{name}" if relative else name for name in names]
        children = [child for child in children if not excluded(child, exclude)]
        pending.extend(sorted(children, key=os.fsencode, reverse=True))


def excluded(relative, patterns):
    """A pattern with a slash is held against the whole path below the source, one without against the last part."""
    last = relative.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(relative if "/" in pattern else last, pattern) for pattern in patterns)


def add(tar, source, relative, status, entries, changed):
    full = os.path.join(source, relative)
    info = tarfile.TarInfo(relative)
    info.mode = stat.S_IMODE(status.st_mode)
    info.mtime = int(status.st_mtime)
    info.uid, info.gid = status.st_uid, status.st_gid
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        entries.append({**named(relative), "type": "folder"})
    elif stat.S_ISLNK(status.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = os.readlink(full)
        tar.addfile(info)
        entries.append({**named(relative), "type": "link"})
    elif stat.S_ISREG(status.st_mode):
        add_file(tar, full, relative, info, entries, changed)
    else:
        print(f"skipped `{full}`: neither file, folder nor link", file=sys.stderr)
        entries.append({**named(relative), "type": "skipped"})


def add_file(tar, full, relative, info, entries, changed):
    # No link is followed and no pipe waited for, should the file have been swapped since it was looked at.
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as handle:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise Stop(75, f"`{full}` was swapped while it was read")
        info.size = before.st_size
        info.mtime = int(before.st_mtime)
        reader = Digesting(handle)
        try:
            tar.addfile(info, reader)
        except OSError as error:
            if error.errno is not None:
                raise
            raise Stop(75, f"`{full}` became shorter while it was read") from error
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        print(f"`{full}` changed while it was read", file=sys.stderr)
        changed.append(named(relative))
    entries.append({**named(relative), "type": "file", "bytes": info.size, "sha256": reader.digest.hexdigest()})


class Digesting:
    """A reader that remembers the digest of what went through it."""

    def __init__(self, handle):
        self.handle = handle
        self.digest = hashlib.sha256()

    def read(self, size):
        chunk = self.handle.read(size)
        self.digest.update(chunk)
        return chunk


def named(relative):
    """The path as JSON can hold it: a name that is not UTF-8 is kept in base64."""
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError:
        return {"path_base64": base64.b64encode(os.fsencode(relative)).decode("ascii")}
    return {"path": relative}


def read_back(path, entries):
    """Read the whole archive again; what differs from the manifest, in words, or None."""
    expected = [entry for entry in entries if entry["type"] != "skipped"]
    position = 0
    with tarfile.open(path, mode="r|gz") as tar:
        for member in tar:
            if position == len(expected):
                return "it holds more entries than were written"
            entry = expected[position]
            position += 1
            if named(member.name) != {key: entry[key] for key in entry if key.startswith("path")}:
                return f"entry {position} has another name"
            if entry["type"] != "file":
                continue
            digest = hashlib.sha256()
            handle = tar.extractfile(member)
            while True:
                chunk = handle.read(CHUNK_BYTES)
                if not chunk:
                    break
                digest.update(chunk)
            if digest.hexdigest() != entry["sha256"]:
                return f"entry {position} has other bytes"
    return None if position == len(expected) else "it holds fewer entries than were written"


def prune(target, name, keep, newest):
    """Remove the oldest archives of this name, their manifests after them; nobody else's files are touched."""
    own = re.compile(re.escape(name) + r"-\d{8}T\d{6}Z\.tar\.gz")
    archives = sorted(entry.name for entry in os.scandir(target)
                      if own.fullmatch(entry.name) and entry.is_file(follow_symlinks=False))
    others = [archive for archive in archives if archive != newest]
    surplus = others[: max(0, len(archives) - keep)]
    for archive in surplus:
        os.unlink(os.path.join(target, archive))
        manifest = os.path.join(target, archive[: -len(".tar.gz")] + ".manifest.json")
        if os.path.lexists(manifest):
            os.unlink(manifest)
        print(f"pruned {archive}")
    return len(surplus)


def remove_leftovers(target, name):
    """What a killed run left: files under a temporary name, and a manifest whose archive never came."""
    stem = r"(" + re.escape(name) + r"-\d{8}T\d{6}Z)"
    part = re.compile(r"\." + stem + r"\.(tar\.gz|manifest\.json)\.part")
    manifest = re.compile(stem + r"\.manifest\.json")
    for entry in list(os.scandir(target)):
        orphan = manifest.fullmatch(entry.name)
        orphan = orphan and not os.path.lexists(os.path.join(target, orphan.group(1) + ".tar.gz"))
        if (orphan or part.fullmatch(entry.name)) and entry.is_file(follow_symlinks=False):
            os.unlink(entry.path)


def write_whole(path, content):
    """The file appears whole or not at all."""
    folder, base = os.path.split(path)
    part = os.path.join(folder, f".{base}.part")
    with open(part, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(part, path)


def sync_folder(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while True:
            chunk = handle.read(CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv))
    except Stop as stop:
        print(f"backup: {stop}", file=sys.stderr)
        sys.exit(stop.code)
    except OSError as error:
        print(f"backup: {error}", file=sys.stderr)
        sys.exit(73)
