//! Snapshots: the tree of a commit as files, shared by every run of the same content.
//!
//! ```text
//! <state>/snapshots/<boot id>/<key>/root/…        read-only files, folders 0755
//! <state>/snapshots/<boot id>/<key>/refused.json  what is in the tree and cannot be there as files
//! <state>/snapshots/<boot id>/blobs/…             files that several of them share (blobs.rs)
//! <state>/snapshots/<boot id>/<key>.lock          held shared while in use, exclusive while made or removed
//! ```
//! The key is a digest of the tree without the excluded folders, so a snapshot appears whole and
//! never changes. Nothing here is synced: snapshots of an earlier boot are not used again, since a
//! power cut may have emptied their files. It runs no filters and no hooks, and follows no link.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::blobs::Blobs;
use super::objects::{is_below, joined, plain, trimmed};
use super::{MODE_FOLDER, MODE_GITLINK, MODE_LINK, Oid, Repo, RepoError, store};

/// How many are named of what is not usable.
const NAMED_MAX: usize = 3;

/// How many unused snapshots are kept for the next runs.
const KEPT_MAX: usize = 4;

/// What a large-file pointer begins with.
pub const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// No large-file pointer is longer, by its specification.
const LFS_POINTER_BYTES_MAX: u64 = 1024;

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The commit cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A file or folder of the snapshot cannot be made, locked or removed.
    #[error("{operation} `{path}`: {source}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The place of an excluded folder lies behind something that is no folder.
    #[error("making a place for `{path}` in the snapshot: something else stands on the way")]
    Blocked {
        /// The excluded folder.
        path: String,
    },
}

impl SnapshotError {
    fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }
}

/// Something of the tree that a handler cannot use from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its path, lossily as text.
    pub path: String,
    /// Why.
    pub why: RefusedWhy,
}

/// Why something of the tree is not usable from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedWhy {
    /// A submodule: an empty folder stands there.
    Submodule,
    /// A large-file pointer stands there instead of the file.
    LfsPointer,
    /// A name that no file system or git takes: nothing stands there.
    BadName,
    /// A second entry of the same name: the first one stands there.
    Duplicate,
}

impl RefusedWhy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Submodule => "a submodule: an empty folder stands there",
            Self::LfsPointer => "in Git LFS: its pointer stands there",
            Self::BadName => "a name that is not taken: nothing stands there",
            Self::Duplicate => "a second entry of that name",
        }
    }
}

/// A snapshot in use: it stays until the last of these is dropped.
#[derive(Debug)]
pub struct Snapshot {
    /// Digest of the content.
    pub key: String,
    /// The folder that holds the tree.
    pub path: PathBuf,
    /// What of the tree is not usable.
    pub refused: Vec<Refused>,
    _lock: File,
}

impl Snapshot {
    /// Why this path, or the folder it lies in, is not usable.
    pub fn refusal(&self, path: &str) -> Option<RefusedWhy> {
        let path = trimmed(path.as_bytes());
        let hit = |refused: &&Refused| path == refused.path.as_bytes() || is_below(path, refused.path.as_bytes());
        self.refused.iter().find(hit).map(|refused| refused.why)
    }

    /// One sentence on what is not usable, for the record of a run that saw it.
    pub fn note(&self) -> Option<String> {
        let named = self.refused.iter().take(NAMED_MAX);
        let mut parts: Vec<String> =
            named.map(|refused| format!("`{}` ({})", refused.path, refused.why.as_str())).collect();
        if self.refused.len() > NAMED_MAX {
            parts.push(format!("{} more", self.refused.len() - NAMED_MAX));
        }
        (!parts.is_empty()).then(|| format!("the handler could not use {} of the repository", parts.join(", ")))
    }
}

/// The folder of snapshots. Threads and processes may use it at once.
#[derive(Clone, Debug)]
pub struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    /// Opens `<state>/snapshots` and removes what an earlier boot left there.
    pub fn open(state: &Path) -> Result<Self, SnapshotError> {
        let all = state.join("snapshots");
        let dir = all.join(store::boot_id());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(SnapshotError::file("making", &dir))?;
        for entry in std::fs::read_dir(&all).map_err(SnapshotError::file("reading", &all))?.flatten() {
            if entry.path() != dir {
                // What cannot be removed only takes room; the next start tries again.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        Ok(Self { dir })
    }

    /// Gives the snapshot of a commit without the excluded folders, in whose places empty folders
    /// stand. Makes it where it is not there yet, and removes old ones that nobody uses.
    pub fn materialise(&self, repo: &Repo, commit: Oid, excluded: &[&str]) -> Result<Snapshot, SnapshotError> {
        let key = repo.digest_without(commit, excluded)?;
        let folder = self.dir.join(&key);
        let lock = self.locked(&key, || self.make(repo, commit, excluded, &folder))?;
        // The time of the last use decides what is removed first.
        let _ = lock.set_modified(SystemTime::now());
        let refused = folder.join("refused.json");
        let bytes = std::fs::read(&refused).map_err(SnapshotError::file("reading", &refused))?;
        let refused =
            serde_json::from_slice(&bytes).map_err(|error| SnapshotError::file("reading", &refused)(error.into()))?;
        self.prune()?;
        Ok(Snapshot { key, path: folder.join("root"), refused, _lock: lock })
    }

    /// Removes snapshots that nobody uses, but for the four used last. Returns how many.
    pub fn prune(&self) -> Result<usize, SnapshotError> {
        let mut unused = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(SnapshotError::file("reading", &self.dir))?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "lock")
                && let Ok(file) = File::open(&path)
                && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                let used = file.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                unused.push((used, path, file));
            }
        }
        unused.sort_by_key(|(used, ..)| *used);
        let surplus = unused.len().saturating_sub(KEPT_MAX);
        if surplus == 0 {
            return Ok(0);
        }
        for (_, path, _held) in unused.drain(..surplus) {
            remove_tree(&path.with_extension("")).map_err(SnapshotError::file("removing", &path))?;
            std::fs::remove_file(&path).map_err(SnapshotError::file("removing", &path))?;
        }
        Blobs::open(&self.dir).prune();
        Ok(surplus)
    }

    /// A shared lock on a key whose folder is there; `make` runs under the exclusive lock.
    fn locked(&self, key: &str, make: impl Fn() -> Result<(), SnapshotError>) -> Result<File, SnapshotError> {
        let path = self.dir.join(format!("{key}.lock"));
        let failed = || SnapshotError::file("locking", &path);
        let folder = self.dir.join(key);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed())?;
            let lock = |how| flock(&file, how).map_err(|errno| failed()(errno.into()));
            lock(FlockOperation::LockShared)?;
            if !folder.exists() {
                // Changing the kind of lock lets others in between: look again behind it.
                lock(FlockOperation::LockExclusive)?;
                if is_linked(&file) && !folder.exists() {
                    make()?;
                }
                lock(FlockOperation::LockShared)?;
            }
            if is_linked(&file) && folder.exists() {
                return Ok(file);
            }
        }
    }

    fn make(&self, repo: &Repo, commit: Oid, excluded: &[&str], folder: &Path) -> Result<(), SnapshotError> {
        let draft = tempfile::Builder::new()
            .prefix("draft-")
            .tempdir_in(&self.dir)
            .map_err(SnapshotError::file("making a folder in", &self.dir))?;
        let root = draft.path().join("root");
        make_folder(&root)?;
        let mut build = Build {
            repo,
            excluded: excluded.iter().map(|path| trimmed(path.as_bytes())).collect(),
            blobs: Blobs::open(&self.dir),
            refused: Vec::new(),
        };
        let tree = repo.root(commit)?;
        build.fill(&tree, b"", &root)?;
        for path in &build.excluded {
            make_place(&root, path)?;
        }
        let list = draft.path().join("refused.json");
        let bytes =
            serde_json::to_vec(&build.refused).map_err(|error| SnapshotError::file("writing", &list)(error.into()))?;
        std::fs::write(&list, bytes).map_err(SnapshotError::file("writing", &list))?;
        // Behind the rename the draft's guard finds nothing to remove.
        std::fs::rename(draft.path(), folder).map_err(SnapshotError::file("renaming to", folder))?;
        Ok(())
    }
}

struct Build<'a> {
    repo: &'a Repo,
    excluded: Vec<&'a [u8]>,
    blobs: Blobs,
    refused: Vec<Refused>,
}

impl Build<'_> {
    fn fill(&mut self, tree: &git2::Tree<'_>, at: &[u8], into: &Path) -> Result<(), SnapshotError> {
        for entry in tree {
            let entry = plain(&entry);
            let path = joined(at, &entry.name);
            if self.excluded.contains(&&path[..]) {
                continue;
            }
            if !is_plain_name(&entry.name) {
                self.refuse(&path, RefusedWhy::BadName);
                continue;
            }
            let target = into.join(std::ffi::OsStr::from_bytes(&entry.name));
            // Making fails where something stands already, so no link is ever gone through.
            let made = match entry.mode {
                MODE_FOLDER => match make_folder(&target) {
                    Ok(()) => {
                        let below = self.repo.tree(entry.oid)?;
                        self.fill(&below, &path, &target)
                    }
                    error => error,
                },
                MODE_GITLINK => {
                    self.refuse(&path, RefusedWhy::Submodule);
                    make_folder(&target)
                }
                MODE_LINK => self.make_link(entry.oid, &target),
                mode => self.make_file(entry.oid, mode, &path, &target),
            };
            match made {
                Err(SnapshotError::File { path: at, source, .. })
                    if at == target && source.kind() == std::io::ErrorKind::AlreadyExists =>
                {
                    self.refuse(&path, RefusedWhy::Duplicate);
                }
                result => result?,
            }
        }
        Ok(())
    }

    fn make_link(&mut self, oid: Oid, target: &Path) -> Result<(), SnapshotError> {
        let (_, bytes) = self.repo.blob(oid, 4096)?;
        let aim = bytes.unwrap_or_default();
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(&aim), target)
            .map_err(SnapshotError::file("linking", target))
    }

    fn make_file(&mut self, oid: Oid, mode: u32, path: &[u8], target: &Path) -> Result<(), SnapshotError> {
        let failed = || SnapshotError::file("writing", target);
        let executable = mode & 0o111 != 0;
        let (bytes_len, head) = if self.blobs.link(oid, executable, target).map_err(failed())? {
            let mut head = Vec::new();
            let file = File::open(target).map_err(failed())?;
            let length = file.metadata().map_err(failed())?.len();
            file.take(LFS_POINTER.len() as u64).read_to_end(&mut head).map_err(failed())?;
            (length, head)
        } else {
            let blob = self.repo.store.find_blob(oid.0).map_err(RepoError::object(format!("reading blob {oid}")))?;
            let bytes = blob.content();
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(failed())?;
            file.write_all(bytes).map_err(failed())?;
            let mode = if executable { 0o555 } else { 0o444 };
            file.set_permissions(Permissions::from_mode(mode)).map_err(failed())?;
            self.blobs.keep(oid, executable, target);
            (bytes.len() as u64, bytes[..bytes.len().min(LFS_POINTER.len())].to_vec())
        };
        if bytes_len <= LFS_POINTER_BYTES_MAX && head == LFS_POINTER {
            self.refuse(path, RefusedWhy::LfsPointer);
        }
        Ok(())
    }

    fn refuse(&mut self, path: &[u8], why: RefusedWhy) {
        self.refused.push(Refused { path: String::from_utf8_lossy(path).into_owned(), why });
    }
}

fn make_folder(path: &Path) -> Result<(), SnapshotError> {
    std::fs::create_dir(path).map_err(SnapshotError::file("making", path))?;
    // Whatever the umask says: every slot's user must be able to read.
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(SnapshotError::file("making", path))
}

/// An empty folder at the place of an excluded one, its parents made as needed.
fn make_place(root: &Path, path: &[u8]) -> Result<(), SnapshotError> {
    let mut at = root.to_owned();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        if !is_plain_name(name) {
            return Err(SnapshotError::Blocked { path: String::from_utf8_lossy(path).into_owned() });
        }
        at.push(std::ffi::OsStr::from_bytes(name));
        match std::fs::symlink_metadata(&at) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => return Err(SnapshotError::Blocked { path: String::from_utf8_lossy(path).into_owned() }),
            Err(_) => make_folder(&at)?,
        }
    }
    Ok(())
}

/// Names are bytes on Linux; only what would lead elsewhere, or be taken for git's own, is refused.
fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != b"."
        && name != b".."
        && !name.iter().any(|byte| *byte == b'/' || *byte == 0)
        && !name.eq_ignore_ascii_case(b".git")
}

fn is_linked(file: &File) -> bool {
    file.metadata().is_ok_and(|data| data.nlink() > 0)
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, Write};
    use super::*;

    const EXCLUDED: &[&str] = &["requests/", "logs", "data/processed"];

    #[test]
    fn one_folder_for_one_content_and_empty_places_for_the_excluded() {
        let bench = Bench::local();
        bench.write("handlers/x.sh", "#!/bin/sh\n");
        bench.write("requests/a.yml", "1");
        bench.write("data/keep", "1");
        let handler = bench.clone_dir().join("handlers/x.sh");
        std::fs::set_permissions(handler, Permissions::from_mode(0o700)).unwrap();
        let one = bench.commit("one");
        let repo = bench.repo();
        let snapshots = Snapshots::open(&bench.path("state")).unwrap();
        let first = snapshots.materialise(&repo, one, EXCLUDED).unwrap();
        let mode = |path: &str| std::fs::metadata(first.path.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("handlers/x.sh"), mode("seed"), mode("handlers")), (0o555, 0o444, 0o755));
        assert_eq!(std::fs::read_to_string(first.path.join("data/keep")).unwrap(), "1");
        for place in ["requests", "logs", "data/processed"] {
            assert_eq!(std::fs::read_dir(first.path.join(place)).unwrap().count(), 0, "{place}");
        }
        assert_eq!(first.refused, []);
        bench.git(&bench.clone_dir(), &["rm", "-q", "requests/a.yml"]);
        let two = bench.commit("two");
        let second = snapshots.materialise(&repo, two, EXCLUDED).unwrap();
        assert_eq!((&first.key, &first.path), (&second.key, &second.path));
    }

    #[test]
    fn odd_entries_are_listed_and_the_rest_is_made() {
        let bench = Bench::local();
        let repo = bench.repo();
        let link = repo.write_blob(b"/etc/passwd").unwrap();
        let base = bench.head();
        let write = |path: &str, oid, mode| Write { path: path.into(), content: Content::Object(oid), mode };
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
        let changeset = Changeset {
            removals: vec![],
            writes: vec![
                write("sub/module", base, MODE_GITLINK),
                write("link", link, MODE_LINK),
                Write::file("big.bin", Content::Bytes(pointer.into())),
                Write::file("Case", Content::Bytes(b"1".to_vec())),
                Write::file("case", Content::Bytes(b"2".to_vec())),
                Write::file("a\nb", Content::Bytes(b"3".to_vec())),
            ],
        };
        let commit = repo.commit_on(Some(base), &changeset, "odd", &tester(), &tester(), 0).unwrap().commit;
        let made = Snapshots::open(&bench.path("state")).unwrap().materialise(&repo, commit, &[]).unwrap();
        assert_eq!(made.refusal("big.bin"), Some(RefusedWhy::LfsPointer));
        assert_eq!(made.refusal("sub/module/run.sh"), Some(RefusedWhy::Submodule));
        assert_eq!(made.refusal("case"), None);
        assert_eq!(
            made.note().as_deref(),
            Some(
                "the handler could not use `big.bin` (in Git LFS: its pointer stands there), \
                 `sub/module` (a submodule: an empty folder stands there) of the repository"
            )
        );
        assert_eq!(std::fs::read_link(made.path.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(std::fs::read(made.path.join("a\nb")).unwrap(), b"3");
        let blocked = Snapshots::open(&bench.path("state")).unwrap().materialise(&repo, commit, &["link/logs"]);
        assert!(matches!(blocked, Err(SnapshotError::Blocked { .. })), "{blocked:?}");
    }

    #[test]
    fn a_tree_with_a_link_and_a_folder_of_one_name_leads_nowhere() {
        let bench = Bench::local();
        let outside = bench.path("outside");
        std::fs::create_dir(&outside).unwrap();
        let repo = bench.repo();
        let odb = repo.store.odb().unwrap();
        let raw = |entries: &[(&str, &str, git2::Oid)]| {
            let mut bytes = Vec::new();
            for (mode, name, oid) in entries {
                bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
                bytes.extend_from_slice(oid.as_bytes());
            }
            odb.write(git2::ObjectType::Tree, &bytes).unwrap()
        };
        let link = repo.write_blob(outside.to_str().unwrap().as_bytes()).unwrap().0;
        let file = repo.write_blob(b"evil").unwrap().0;
        let below = raw(&[("100644", "evil", file)]);
        let root =
            raw(&[("120000", "a", link), ("40000", "a", below), ("40000", ".GIT", below), ("100644", "..", file)]);
        let text = format!("tree {root}\nauthor T <t@t> 0 +0000\ncommitter T <t@t> 0 +0000\n\nx\n");
        let commit = Oid(odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap());
        let made = Snapshots::open(&bench.path("state")).unwrap().materialise(&repo, commit, &[]).unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        let why: Vec<RefusedWhy> = made.refused.iter().map(|refused| refused.why).collect();
        assert_eq!(why, [RefusedWhy::Duplicate, RefusedWhy::BadName, RefusedWhy::BadName]);
    }

    #[test]
    fn four_unused_ones_are_kept_and_none_in_use_is_removed() {
        let bench = Bench::local();
        let repo = bench.repo();
        let state = bench.path("state");
        std::fs::create_dir_all(state.join("snapshots/an-earlier-boot/x")).unwrap();
        let snapshots = Snapshots::open(&state).unwrap();
        assert!(!state.join("snapshots/an-earlier-boot").exists());
        let in_use = snapshots.materialise(&repo, bench.head(), &[]).unwrap();
        let mut later = Vec::new();
        for n in 0..6 {
            bench.write("n", &n.to_string());
            let commit = bench.commit("n");
            later.push(snapshots.materialise(&repo, commit, &[]).unwrap().path);
        }
        snapshots.prune().unwrap();
        assert!(in_use.path.exists());
        assert!(!later[0].exists() && !later[1].exists() && later[2].exists() && later[5].exists());
        drop(in_use);
        assert_eq!(snapshots.prune().unwrap(), 1);
    }

    #[test]
    fn what_has_not_changed_is_one_file_in_all_of_them() {
        let bench = Bench::local();
        let repo = bench.repo();
        let snapshots = Snapshots::open(&bench.path("state")).unwrap();
        let pointer = format!("{}v1\noid sha256:0\nsize 9\n", String::from_utf8_lossy(LFS_POINTER));
        for (path, text) in [("same", "same"), ("changed", "one"), ("tool", "same"), ("big", pointer.as_str())] {
            bench.write(path, text);
        }
        std::fs::set_permissions(bench.clone_dir().join("tool"), Permissions::from_mode(0o755)).unwrap();
        let first = snapshots.materialise(&repo, bench.commit("one"), &[]).unwrap();
        bench.write("changed", "two");
        let second = snapshots.materialise(&repo, bench.commit("two"), &[]).unwrap();
        let data = |snapshot: &Snapshot, path: &str| std::fs::metadata(snapshot.path.join(path)).unwrap();
        let inode = |snapshot, path| data(snapshot, path).ino();
        assert_ne!(first.path, second.path);
        assert_eq!(inode(&first, "same"), inode(&second, "same"));
        assert_eq!(inode(&first, "tool"), inode(&second, "tool"));
        assert_ne!(inode(&first, "same"), inode(&first, "tool"), "modes differ");
        assert_ne!(inode(&first, "changed"), inode(&second, "changed"));
        assert_eq!(data(&second, "tool").permissions().mode() & 0o7777, 0o555);
        assert_eq!(std::fs::read(second.path.join("changed")).unwrap(), b"two");
        assert_eq!(second.refusal("big"), Some(RefusedWhy::LfsPointer), "a linked one is one too");

        let old = inode(&first, "changed");
        drop((first, second));
        for n in 0..5 {
            bench.write("changed", &n.to_string());
            snapshots.materialise(&repo, bench.commit("n"), &[]).unwrap();
        }
        snapshots.prune().unwrap();
        let kept = std::fs::read_dir(snapshots.dir.join("blobs")).unwrap().flatten();
        let kept: Vec<_> = kept.map(|entry| entry.metadata().unwrap()).collect();
        assert!(kept.iter().all(|data| data.nlink() > 1 && data.ino() != old), "{kept:?}");
        assert!(!kept.is_empty());
    }

    #[test]
    fn threads_that_want_the_same_get_the_same() {
        let bench = Bench::local();
        let commit = bench.head();
        let snapshots = Snapshots::open(&bench.path("state")).unwrap();
        let repos: Vec<Repo> = (0..4).map(|_| bench.repo()).collect();
        let paths: Vec<PathBuf> = std::thread::scope(|scope| {
            let started: Vec<_> = repos
                .into_iter()
                .map(|repo| {
                    let snapshots = &snapshots;
                    scope.spawn(move || snapshots.materialise(&repo, commit, &[]).unwrap().path.clone())
                })
                .collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(paths.iter().all(|path| path == &paths[0] && path.join("seed").exists()));
    }
}
