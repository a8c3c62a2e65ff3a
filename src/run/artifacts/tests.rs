//! What a hostile folder can hold, and what comes of it.

use super::*;
use rustix::fs::CWD;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;

struct Bench {
    folder: tempfile::TempDir,
    bytes_max: u64,
    owner: Option<u32>,
    secrets: Secrets,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("folder"),
            bytes_max: 1 << 20,
            owner: None,
            secrets: Secrets::new(&[("TOKEN", "a-long-secret")]).expect("compiled"),
        };
        fs::create_dir_all(bench.log()).expect("folder");
        bench
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("work/logs/a")
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool/files")
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.log().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, content).expect("written");
        path
    }

    fn collect(&self) -> Collected {
        let root = File::open(self.folder.path().join("work")).expect("open");
        let collection = Collection {
            root: root.as_fd(),
            folder: Path::new("logs/a"),
            into: &self.spool(),
            bytes_max: self.bytes_max,
            owner: self.owner,
        };
        let found = collect(&collection, &self.secrets).expect("collected");
        self.check(&found);
        found
    }

    /// The spool holds exactly what is listed, with its digest, as plain files.
    fn check(&self, found: &Collected) {
        let mut in_spool = Vec::new();
        // Where nothing was left it is not made.
        let mut folders: Vec<_> = [self.spool()].into_iter().filter(|spool| spool.exists()).collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("folder") {
                let path = entry.expect("entry").path();
                let meta = fs::symlink_metadata(&path).expect("there");
                if meta.is_dir() {
                    folders.push(path);
                } else {
                    assert!(meta.is_file());
                    assert_eq!(meta.mode() & 0o7777, 0o644);
                    let name = path.strip_prefix(self.spool()).expect("inside").to_str().expect("utf-8");
                    let content = fs::read(&path).expect("read");
                    in_spool.push(Artifact {
                        path: name.to_owned(),
                        bytes: content.len() as u64,
                        sha256: HEXLOWER.encode(&Sha256::digest(&content)),
                    });
                }
            }
        }
        in_spool.sort_by(|a, b| a.path.cmp(&b.path));
        let mut listed = found.artifacts.clone();
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(in_spool, listed);
        assert!(listed.iter().map(|artifact| artifact.bytes).sum::<u64>() <= self.bytes_max);
    }
}

fn paths(found: &Collected) -> Vec<&str> {
    found.artifacts.iter().map(|artifact| artifact.path.as_str()).collect()
}

fn skipped(found: &Collected, path: &str, reason: &str) {
    let line = found.skipped.iter().find(|line| line.starts_with(&format!("{path}: ")));
    assert!(line.is_some_and(|line| line.contains(reason)), "{path}: {reason}: {:?}", found.skipped);
}

#[test]
fn plain_files_are_taken_and_modes_stripped() {
    let bench = Bench::new();
    let tool = bench.put("tool", "#!/bin/sh\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o6755)).expect("mode");
    bench.put("sub/deeper/report.html", "<p>");
    bench.put("empty", "");
    fs::create_dir(bench.log().join("empty-folder")).expect("folder");
    let found = bench.collect();
    assert_eq!(paths(&found), ["empty", "sub/deeper/report.html", "tool"]);
    assert!(found.skipped.is_empty(), "{:?}", found.skipped);
    assert_eq!(found.handler_status, None);
}

#[test]
fn what_is_no_plain_file_is_named_and_left() {
    let bench = Bench::new();
    symlink("/etc/passwd", bench.log().join("link")).expect("link");
    symlink("/etc", bench.log().join("folder-link")).expect("link");
    symlink("/proc/self/root/etc/passwd", bench.log().join("magic")).expect("link");
    let fifo = bench.log().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).expect("fifo");
    let socket = bench.folder.path().join("s");
    let _listener = UnixListener::bind(&socket).expect("socket");
    fs::rename(&socket, bench.log().join("socket")).expect("moved");
    let outside = bench.folder.path().join("outside");
    fs::write(&outside, "precious").expect("written");
    fs::hard_link(&outside, bench.log().join("hard")).expect("link");
    bench.put("plain", "x");
    let found = bench.collect();
    assert_eq!(paths(&found), ["plain"]);
    for (path, reason) in [
        ("link", "symlink"),
        ("folder-link", "symlink"),
        ("magic", "symlink"),
        ("fifo", "FIFO"),
        ("socket", "socket"),
        ("hard", "hard link"),
    ] {
        skipped(&found, path, reason);
    }
    assert_eq!(found.skipped.len(), 6);
}

#[test]
fn devices_are_not_opened() {
    let bench = Bench::new();
    let device = bench.log().join("zero");
    let number = rustix::fs::makedev(1, 5);
    if rustix::fs::mknodat(CWD, &device, FileType::CharacterDevice, Mode::RWXU, number).is_err() {
        return; // only root can make one
    }
    skipped(&bench.collect(), "zero", "device");
}

#[test]
fn a_log_folder_that_became_a_link_leads_nowhere() {
    for target in ["/etc", "../..", "."] {
        let bench = Bench::new();
        fs::remove_dir(bench.log()).expect("removed");
        symlink(target, bench.log()).expect("link");
        let found = bench.collect();
        assert!(found.artifacts.is_empty());
        skipped(&found, "log folder", "symlink");
    }
    // And one folder above it.
    let bench = Bench::new();
    let elsewhere = bench.folder.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("a")).expect("folder");
    fs::write(elsewhere.join("a/stolen"), "x").expect("written");
    fs::remove_dir_all(bench.folder.path().join("work/logs")).expect("removed");
    symlink(&elsewhere, bench.folder.path().join("work/logs")).expect("link");
    assert!(bench.collect().artifacts.is_empty());
}

#[test]
fn a_log_folder_that_is_gone_is_a_remark() {
    let bench = Bench::new();
    fs::remove_dir(bench.log()).expect("removed");
    skipped(&bench.collect(), "log folder", "not there");
    fs::write(bench.log(), "a file now").expect("written");
    assert_eq!(bench.collect().skipped.len(), 1);
}

#[test]
fn names_of_the_dispatcher_are_not_taken_over() {
    let bench = Bench::new();
    for name in ["log.jsonl", "handler.log", "dispatch.log", "error.log", "Error.log", "STATUS.YML"] {
        bench.put(name, name);
    }
    bench.put("status.yml", "status: failure\n");
    bench.put("handler-error.log", "the handler's own");
    let found = bench.collect();
    assert_eq!(
        paths(&found),
        ["handler-dispatch.log", "handler-error.log", "handler-handler.log", "handler-log.jsonl"]
    );
    let kept = fs::read(bench.spool().join("handler-error.log")).expect("kept");
    assert!(kept == b"error.log" || kept == b"the handler's own");
    assert_eq!(found.handler_status.as_deref(), Some(&b"status: failure\n"[..]));
    skipped(&found, "STATUS.YML", "only in case");
    skipped(&found, "Error.log", "only in case");
    assert_eq!(found.skipped.len(), 3, "{:?}", found.skipped);
}

#[test]
fn a_status_that_is_no_file_is_not_read() {
    let bench = Bench::new();
    symlink("/etc/passwd", bench.log().join("status.yml")).expect("link");
    let found = bench.collect();
    assert_eq!(found.handler_status, None);
    skipped(&found, "status.yml", "symlink");
}

#[test]
fn a_large_status_is_cut_where_its_reader_refuses_it() {
    let bench = Bench::new();
    bench.put("status.yml", vec![b'#'; 1 << 20]);
    let status = bench.collect().handler_status.expect("read");
    assert_eq!(status.len(), crate::record::from_handler::BYTES_MAX + 1);
}

#[test]
fn names_that_differ_in_case_only_are_taken_once() {
    let bench = Bench::new();
    for path in ["a.txt", "A.txt", "dir/one", "DIR/two", "dir/three", "thing", "THING/inner"] {
        bench.put(path, path);
    }
    let found = bench.collect();
    assert_eq!(paths(&found), ["A.txt", "DIR/two", "THING/inner"]);
    for path in ["a.txt", "dir/one", "dir/three", "thing"] {
        skipped(&found, path, "only in case");
    }
}

#[test]
fn bad_names_are_shown_harmlessly() {
    let bench = Bench::new();
    bench.put(".gitattributes", "x");
    bench.put(".git/config", "x");
    bench.put("two\nlines: \u{1b}[2J", "x");
    bench.put("a-long-secret", "x");
    let raw = std::ffi::OsStr::from_bytes(b"not\xffutf8");
    fs::write(bench.log().join(raw), "x").expect("written");
    let found = bench.collect();
    assert!(found.artifacts.is_empty());
    assert_eq!(found.skipped.len(), 5);
    for line in &found.skipped {
        assert!(!line.chars().any(visible::acts), "{line:?}");
        assert!(!line.contains("a-long-secret"), "{line:?}");
    }
    skipped(&found, ".git", "git's own");
    skipped(&found, "[masked:TOKEN]", "withheld");
}

#[test]
fn depth_count_and_size_have_an_end() {
    let bench = Bench::new();
    bench.put("1/2/3/4/5/6/7/eight", "x");
    bench.put("1/2/3/4/5/6/7/8/nine", "x");
    let found = bench.collect();
    assert_eq!(paths(&found), ["1/2/3/4/5/6/7/eight"]);
    skipped(&found, "1/2/3/4/5/6/7/8/nine", "deep");

    let bench = Bench::new();
    for n in 0..COUNT_MAX + 200 {
        bench.put(&format!("{n:05}"), "");
    }
    let found = bench.collect();
    assert_eq!(found.artifacts.len(), COUNT_MAX);
    assert_eq!(found.skipped.len(), SKIPPED_MAX + 1);
    assert_eq!(found.skipped.last().map(String::as_str), Some("100 more that are not listed"));

    let mut bench = Bench::new();
    bench.bytes_max = 100;
    bench.put("a", [b'x'; 60]);
    bench.put("b", [b'x'; 41]);
    bench.put("c", [b'x'; 40]);
    let sparse = bench.put("d", "");
    File::options().write(true).open(sparse).expect("open").set_len(1 << 40).expect("sparse");
    let found = bench.collect();
    assert_eq!(paths(&found), ["a", "c"]);
    skipped(&found, "b", "too large: 41 bytes, 40 of 100 are left");
    skipped(&found, "d", "too large");
}

#[test]
fn a_folder_of_very_many_entries_is_not_read_to_its_end() {
    let bench = Bench::new();
    for n in 0..ENTRIES_MAX + 10 {
        symlink("x", bench.log().join(n.to_string())).expect("link");
    }
    let found = bench.collect();
    assert!(found.artifacts.is_empty());
    skipped(&found, "log folder", "not looked at");
}

#[test]
fn a_file_with_a_secret_is_withheld_and_named() {
    let bench = Bench::new();
    let mut large = vec![b'x'; CHUNK_BYTES - 5];
    large.extend_from_slice(b"a-long-secret");
    bench.put("across", &large);
    bench.put("at-the-end", "a-long-secret");
    bench.put("hex", HEXLOWER.encode(b"a-long-secret"));
    bench.put("half", "a-long-secre");
    let found = bench.collect();
    assert_eq!(paths(&found), ["half"]);
    for path in ["across", "at-the-end", "hex"] {
        skipped(&found, path, "withheld: it holds the secret TOKEN");
    }
}

#[test]
fn files_of_other_users_are_left_where_the_owner_is_known() {
    let mut bench = Bench::new();
    let path = bench.put("file", "x");
    let owner = fs::metadata(path).expect("there").uid();
    bench.owner = Some(owner + 1);
    skipped(&bench.collect(), "file", "another user");
    bench.owner = Some(owner);
    assert_eq!(paths(&bench.collect()), ["file"]);
}

#[test]
fn what_is_exchanged_after_the_look_is_not_opened() {
    let bench = Bench::new();
    bench.put("one", "x");
    bench.put("two", "y");
    let folder = openat2(CWD, bench.log(), folder_flags(), Mode::empty(), ResolveFlags::empty()).expect("open");
    let look = |name: &str| {
        let looked = openat2(&folder, name, look_flags(), Mode::empty(), beneath_here()).expect("look");
        fstat(&looked).expect("stat")
    };
    let seen = look("one");
    assert!(open_seen(folder.as_fd(), b"one", file_flags(), &seen).is_ok());
    fs::rename(bench.log().join("two"), bench.log().join("one")).expect("exchanged");
    assert!(open_seen(folder.as_fd(), b"one", file_flags(), &seen).is_err());
    fs::remove_file(bench.log().join("one")).expect("removed");
    symlink("/etc/passwd", bench.log().join("one")).expect("link");
    assert!(open_seen(folder.as_fd(), b"one", file_flags(), &seen).is_err());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_kept() {
    let bench = Bench::new();
    let path = bench.put("file", "12345");
    let root = File::open(bench.folder.path().join("work")).expect("open");
    let into = bench.spool();
    let collection =
        Collection { root: root.as_fd(), folder: Path::new("logs/a"), into: &into, bytes_max: 100, owner: None };
    let walk = Walk {
        collection: &collection,
        secrets: &bench.secrets,
        found: Collected::default(),
        unlisted: 0,
        entries: 0,
        bytes_left: 100,
        taken: HashMap::new(),
    };
    let mut file = File::open(&path).expect("open");
    assert!(walk.copy(&mut file, 4, "file").is_err_and(|why| why.contains("grew")));
    let mut file = File::open(&path).expect("open");
    assert!(walk.copy(&mut file, 6, "file").is_err_and(|why| why.contains("shrank")));
    assert!(!into.join("file").exists());
}
