//! Reading objects by commit and path, in process.
//!
//! Owns lookups in trees, bounded reads and the digest of a filtered tree. Everything is read from
//! a commit that the caller names, never from a work tree, and entries are told by mode and name:
//! git itself accepts symbolic links, submodules and line breaks where a file is expected.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{MODE_FOLDER, Oid, Repo, RepoError, store};

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name, or its path where a walk gave it, in bytes.
    pub name: Vec<u8>,
    /// Its mode: one of the `MODE_…` constants, though old repositories hold others.
    pub mode: u32,
    /// The blob, tree or commit that it names.
    pub oid: Oid,
}

/// A blob found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobAt {
    /// Its id.
    pub oid: Oid,
    /// Its mode in the tree.
    pub mode: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes; `None` where there are more than the caller's cap.
    pub bytes: Option<Vec<u8>>,
}

/// Many looks into the tree of one commit.
pub struct Looking<'repo> {
    repo: &'repo Repo,
    root: Oid,
}

impl Looking<'_> {
    /// As [`Repo::entry_at`].
    ///
    /// # Errors
    /// [`RepoError::Object`] where a folder on the way cannot be read.
    pub fn entry(&self, path: impl AsRef<[u8]>) -> Result<Option<TreeEntry>, RepoError> {
        self.repo.entry_below(self.root, path.as_ref())
    }

    /// As [`Repo::exists`].
    ///
    /// # Errors
    /// As [`Looking::entry`].
    pub fn exists(&self, path: impl AsRef<[u8]>) -> Result<bool, RepoError> {
        Ok(self.entry(path)?.is_some())
    }
}

impl Repo {
    /// For many looks into the tree of a commit.
    ///
    /// # Errors
    /// [`RepoError::Object`] where the commit cannot be read.
    pub fn looking(&self, commit: Oid) -> Result<Looking<'_>, RepoError> {
        Ok(self.looking_below(self.root_of(commit)?))
    }

    pub(super) fn looking_below(&self, root: Oid) -> Looking<'_> {
        Looking { repo: self, root }
    }

    /// The entry at a path; `None` where there is none. The empty path is the root.
    pub fn entry_at(&self, commit: Oid, path: impl AsRef<[u8]>) -> Result<Option<TreeEntry>, RepoError> {
        self.entry_below(self.root_of(commit)?, path.as_ref())
    }

    /// True where something stands at the path.
    pub fn exists(&self, commit: Oid, path: impl AsRef<[u8]>) -> Result<bool, RepoError> {
        Ok(self.entry_at(commit, path)?.is_some())
    }

    /// The blob at a path with its bytes, unless there are more than `bytes_max`. `None` where
    /// nothing is there, or a folder or a submodule. A symbolic link is a blob too: see `mode`.
    pub fn blob_at(&self, commit: Oid, path: impl AsRef<[u8]>, bytes_max: u64) -> Result<Option<BlobAt>, RepoError> {
        let Some(entry) = self.entry_at(commit, path)? else { return Ok(None) };
        if !is_blob(entry.mode) {
            return Ok(None);
        }
        let (size, bytes) = self.blob(entry.oid, bytes_max)?;
        Ok(Some(BlobAt { oid: entry.oid, mode: entry.mode, size, bytes }))
    }

    /// Size and bytes of a blob; no bytes where there are more than `bytes_max`.
    pub fn blob(&self, oid: Oid, bytes_max: u64) -> Result<(u64, Option<Vec<u8>>), RepoError> {
        let failed = || RepoError::object(format!("reading blob {oid}"));
        let odb = self.store.odb().map_err(failed())?;
        let (size, _) = odb.read_header(oid.0).map_err(failed())?;
        let size = size as u64;
        if size > bytes_max {
            return Ok((size, None));
        }
        let blob = self.store.find_blob(oid.0).map_err(failed())?;
        Ok((size, Some(blob.content().to_vec())))
    }

    /// The first bytes of a blob, at most `bytes_max`.
    pub fn head(&self, oid: Oid, bytes_max: usize) -> Result<Vec<u8>, RepoError> {
        let blob = self.store.find_blob(oid.0).map_err(RepoError::object(format!("reading blob {oid}")))?;
        let content = blob.content();
        Ok(content[..content.len().min(bytes_max)].to_vec())
    }

    /// Whether the object can be read whole; one that is there and cannot be is removed, or nobody could write it again.
    pub fn has_whole(&self, oid: Oid) -> bool {
        self.remove_torn(oid);
        self.has(oid)
    }

    /// Removes the file of an object that a power cut has left without its content.
    pub(super) fn remove_torn(&self, oid: Oid) {
        let Ok(odb) = self.store.odb() else { return };
        // Of what somebody else writes just now nothing need be known.
        if odb.exists_ext(oid.0, git2::OdbLookupFlags::NO_REFRESH) && odb.read(oid.0).is_err() {
            let file = store::loose_file(&self.store.commondir().join("objects"), oid);
            tracing::warn!("the object {oid} cannot be read and is written anew");
            let _ = std::fs::remove_file(file);
        }
    }

    /// True where the store has this object.
    pub fn has(&self, oid: Oid) -> bool {
        self.store.odb().is_ok_and(|odb| odb.exists(oid.0))
    }

    /// The entries of a folder, in git's order; empty where there is no such folder.
    pub fn tree_entries(&self, commit: Oid, dir: impl AsRef<[u8]>) -> Result<Vec<TreeEntry>, RepoError> {
        let root = self.root(commit)?;
        let tree = self.subtree(&root, dir.as_ref())?;
        Ok(tree.map_or_else(Vec::new, |tree| tree.iter().map(|entry| plain(&entry)).collect()))
    }

    /// Calls `visit` with every entry below a folder that is no folder itself, `name` being its
    /// path from the root. Folders come in falling order, each behind the files beside it. Goes `depth_max` folders down and
    /// ends early where `visit` gives false.
    pub fn walk(
        &self,
        commit: Oid,
        dir: impl AsRef<[u8]>,
        depth_max: usize,
        mut visit: impl FnMut(&TreeEntry) -> bool,
    ) -> Result<(), RepoError> {
        let root = self.root(commit)?;
        let dir = trimmed(dir.as_ref());
        let Some(tree) = self.subtree(&root, dir)? else { return Ok(()) };
        // A folder is read when it is its turn: who ends early reads no further.
        let mut open = vec![(dir.to_vec(), Oid(tree.id()), 0)];
        while let Some((at, tree, depth)) = open.pop() {
            for entry in &self.tree(tree)? {
                let mut entry = plain(&entry);
                entry.name = joined(&at, &entry.name);
                if entry.mode != MODE_FOLDER {
                    if !visit(&entry) {
                        return Ok(());
                    }
                } else if depth < depth_max {
                    open.push((entry.name, entry.oid, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// SHA-256, in hexadecimal, over mode, name and id of everything in the commit's tree but the
    /// excluded folders: equal digests mean equal content outside of them.
    pub fn digest_without(&self, commit: Oid, excluded: &[&str]) -> Result<String, RepoError> {
        let mut digest = Sha256::new();
        let mut sorted: Vec<&[u8]> = excluded.iter().map(|path| trimmed(path.as_bytes())).collect();
        sorted.sort_unstable();
        for path in &sorted {
            field(&mut digest, path);
        }
        self.feed(&mut digest, &self.root(commit)?, &[], &sorted)?;
        Ok(digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    fn feed(&self, digest: &mut Sha256, tree: &git2::Tree<'_>, at: &[u8], excluded: &[&[u8]]) -> Result<(), RepoError> {
        for entry in tree {
            let entry = plain(&entry);
            let path = joined(at, &entry.name);
            if excluded.contains(&&path[..]) {
                continue;
            }
            // Only on the way to an excluded folder is a tree opened; its id stands for any other.
            if entry.mode == MODE_FOLDER && excluded.iter().any(|deeper| is_below(deeper, &path)) {
                self.feed(digest, &self.tree(entry.oid)?, &path, excluded)?;
            } else {
                digest.update(entry.mode.to_be_bytes());
                field(digest, &path);
                field(digest, entry.oid.0.as_bytes());
            }
        }
        Ok(())
    }

    pub(super) fn commit(&self, commit: Oid) -> Result<git2::Commit<'_>, RepoError> {
        self.store.find_commit(commit.0).map_err(RepoError::object(format!("reading commit {commit}")))
    }

    pub(super) fn root(&self, commit: Oid) -> Result<git2::Tree<'_>, RepoError> {
        self.commit(commit)?.tree().map_err(RepoError::object(format!("reading the tree of commit {commit}")))
    }

    pub(super) fn tree(&self, oid: Oid) -> Result<git2::Tree<'_>, RepoError> {
        self.store.find_tree(oid.0).map_err(RepoError::object(format!("reading tree {oid}")))
    }

    /// The folder at a path below `root`; `None` where there is none or it is something else.
    pub(super) fn subtree<'a>(
        &'a self,
        root: &git2::Tree<'a>,
        path: &[u8],
    ) -> Result<Option<git2::Tree<'a>>, RepoError> {
        match self.entry_in(root, path)? {
            Some(entry) if entry.mode == MODE_FOLDER => self.tree(entry.oid).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn entry_in(&self, root: &git2::Tree<'_>, path: &[u8]) -> Result<Option<TreeEntry>, RepoError> {
        self.entry_below(Oid(root.id()), path)
    }

    /// The entry at a path below a folder; the folder itself for the empty path.
    fn entry_below(&self, root: Oid, path: &[u8]) -> Result<Option<TreeEntry>, RepoError> {
        let mut entry = TreeEntry { name: Vec::new(), mode: MODE_FOLDER, oid: root };
        for name in trimmed(path).split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if entry.mode != MODE_FOLDER {
                return Ok(None);
            }
            let Some((mode, oid)) = self.folder(entry.oid)?.find(name) else { return Ok(None) };
            entry = TreeEntry { name: name.to_vec(), mode, oid };
        }
        Ok(Some(entry))
    }
}

/// True for files and symbolic links.
/// The id that git gives a file with these bytes.
///
/// # Panics
/// Never: bytes in memory can be hashed.
pub fn blob_id(bytes: &[u8]) -> Oid {
    Oid(git2::Oid::hash_object(git2::ObjectType::Blob, bytes).expect("hashing memory"))
}

pub(super) fn is_blob(mode: u32) -> bool {
    matches!(mode & 0o170_000, 0o100_000 | 0o120_000)
}

pub(super) fn plain(entry: &git2::TreeEntry<'_>) -> TreeEntry {
    // Raw: libgit2 would make 100664 of old repositories into 100644.
    let mode = u32::try_from(entry.filemode_raw()).unwrap_or(0);
    TreeEntry { name: entry.name_bytes().to_vec(), mode, oid: Oid(entry.id()) }
}

/// `dir/name`, or the name alone at the root.
pub(super) fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// Without slashes at either end: `requests/` and `requests` are one folder.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    let mut path = path.strip_prefix(b"./").unwrap_or(path);
    while let Some(shorter) = path.strip_prefix(b"/") {
        path = shorter;
    }
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    path
}

/// True where `path` lies in the folder `dir`.
pub(super) fn is_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn field(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::super::{MODE_FILE, MODE_LINK};

    #[test]
    fn reads_by_commit_and_path_within_the_cap() {
        let bench = Bench::local();
        bench.write("requests/team/a.yml", "kind: x\n");
        std::os::unix::fs::symlink("a.yml", bench.clone_dir().join("requests/team/l.yml")).unwrap();
        let repo = bench.repo();
        let commit = bench.commit("one");
        let found = repo.blob_at(commit, "requests/team/a.yml", 100).unwrap().unwrap();
        assert_eq!((found.size, found.mode, found.bytes.as_deref()), (8, MODE_FILE, Some(&b"kind: x\n"[..])));
        let found = repo.blob_at(commit, "requests/team/a.yml", 7).unwrap().unwrap();
        assert_eq!((found.size, found.bytes), (8, None));
        assert_eq!(repo.blob_at(commit, "requests/team/l.yml", 9).unwrap().unwrap().mode, MODE_LINK);
        assert!(repo.blob_at(commit, "requests/team", 9).unwrap().is_none());
        assert!(repo.blob_at(commit, "requests/team/a.yml/x", 9).unwrap().is_none());
        assert!(repo.exists(commit, "requests/").unwrap());
        assert!(!repo.exists(commit, "processed").unwrap());
        assert_eq!(repo.tree_entries(commit, "requests/team/").unwrap().len(), 2);
        let mut seen = Vec::new();
        repo.walk(commit, "requests", 3, |entry| {
            seen.push(String::from_utf8(entry.name.clone()).unwrap());
            true
        })
        .unwrap();
        seen.sort();
        assert_eq!(seen, ["requests/team/a.yml", "requests/team/l.yml"]);
        repo.walk(commit, "requests", 0, |_| panic!("too deep")).unwrap();
        assert!(repo.entry_at("0".repeat(40).parse().unwrap(), "x").is_err());
    }

    #[test]
    fn the_digest_sees_everything_but_the_excluded_folders() {
        let bench = Bench::local();
        bench.write("data/in/a.yml", "1");
        bench.write("data/keep", "1");
        bench.write("handlers/x", "1");
        let repo = bench.repo();
        let one = bench.commit("one");
        let digest = |commit| repo.digest_without(commit, &["data/in/", "logs"]).unwrap();
        bench.write("data/in/b.yml", "2");
        bench.write("logs/x", "2");
        assert_eq!(digest(one), digest(bench.commit("two")));
        bench.write("data/keep", "2");
        let three = bench.commit("three");
        assert_ne!(digest(one), digest(three));
        assert_ne!(repo.digest_without(one, &["logs"]).unwrap(), digest(one));
        bench.git(&bench.clone_dir(), &["update-index", "--chmod=+x", "handlers/x"]);
        bench.git(&bench.clone_dir(), &["commit", "-qm", "mode"]);
        assert_ne!(digest(three), digest(bench.head()));
    }
}
