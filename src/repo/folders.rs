//! Folders that were read lately, by id. A record looks at the same few folders of main again and again, and those of an
//! archive are large: libgit2 reads and checks each of them anew.
//!
//! What an id names never changes, so nothing here can be out of date; it is only ever too much, and then the oldest goes.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::splice::{first, rank};
use super::{MODE_FILE, MODE_FOLDER, Oid, Repo, RepoError};

/// So many are kept,
const FOLDERS_MAX: usize = 64;
/// and so many bytes of them.
const BYTES_MAX: usize = 16 << 20;
/// Commits whose root is known.
const ROOTS_MAX: usize = 64;

/// The content of one folder.
pub(super) struct Folder {
    content: Vec<u8>,
    /// Where each entry begins, in git's order.
    starts: Vec<u32>,
}

impl Folder {
    /// `None` where this is no tree.
    fn parse(content: Vec<u8>) -> Option<Self> {
        let mut starts = Vec::new();
        let mut at = 0;
        while at < content.len() {
            starts.push(u32::try_from(at).ok()?);
            at += first(&content[at..])?.2.len();
        }
        Some(Self { content, starts })
    }

    /// Mode and object of the entry of this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<(u32, Oid)> {
        // Git sorts a folder's name as if it went on, so that a name may stand in either of two places.
        [MODE_FILE, MODE_FOLDER].into_iter().find_map(|mode| {
            let sought = || rank(name, mode);
            let found = self.starts.binary_search_by(|start| match first(&self.content[*start as usize..]) {
                Some((name, mode, _)) => rank(name, mode).cmp(sought()),
                None => Ordering::Less,
            });
            let (found, mode, entry) = first(&self.content[self.starts[found.ok()?] as usize..])?;
            let oid = git2::Oid::from_bytes(&entry[entry.len() - super::splice::ID_BYTES..]).ok()?;
            (found == name).then_some((mode, Oid(oid)))
        })
    }

    /// All of it, as git writes it.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    fn bytes(&self) -> usize {
        self.content.len() + self.starts.len() * size_of::<u32>()
    }
}

/// What a [`Repo`] has read lately, the youngest last.
#[derive(Default)]
pub(super) struct Folders {
    kept: RefCell<VecDeque<(Oid, Arc<Folder>)>>,
    roots: RefCell<VecDeque<(Oid, Oid)>>,
}

impl Repo {
    /// The folder with this id.
    pub(super) fn folder(&self, oid: Oid) -> Result<Arc<Folder>, RepoError> {
        let mut kept = self.folders.kept.borrow_mut();
        if let Some(at) = kept.iter().rposition(|(known, _)| *known == oid) {
            let found = kept.remove(at).expect("at a position of it");
            kept.push_back(found.clone());
            return Ok(found.1);
        }
        let failed = || RepoError::object(format!("reading tree {oid}"));
        let objects = self.store.odb().map_err(failed())?;
        let tree = objects.read(oid.0).map_err(failed())?;
        let content = (tree.kind() == git2::ObjectType::Tree).then(|| tree.data().to_vec());
        let folder = content.and_then(Folder::parse).ok_or_else(|| failed()(git2::Error::from_str("it is no tree")))?;
        let folder = Arc::new(folder);
        kept.push_back((oid, Arc::clone(&folder)));
        let mut bytes: usize = kept.iter().map(|(_, folder)| folder.bytes()).sum();
        while bytes > BYTES_MAX || kept.len() > FOLDERS_MAX {
            bytes -= kept.pop_front().map_or(bytes, |(_, folder)| folder.bytes());
        }
        Ok(folder)
    }

    /// The id of a commit's root.
    pub(super) fn root_of(&self, commit: Oid) -> Result<Oid, RepoError> {
        let mut roots = self.folders.roots.borrow_mut();
        if let Some((_, root)) = roots.iter().rev().find(|(known, _)| *known == commit) {
            return Ok(*root);
        }
        let root = Oid(self.commit(commit)?.tree_id());
        roots.push_back((commit, root));
        if roots.len() > ROOTS_MAX {
            roots.pop_front();
        }
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::*;

    #[test]
    fn finds_what_libgit2_finds_wherever_a_name_stands() {
        let bench = Bench::local();
        for path in ["a/x", "a-b", "a.b", "a0", "ab/y", "b", "c", "c.d/z"] {
            bench.write(path, path);
        }
        let repo = bench.repo();
        let commit = bench.commit("one");
        let root = repo.root(commit).unwrap();
        let folder = repo.folder(repo.root_of(commit).unwrap()).unwrap();
        for name in ["a", "a-b", "a.b", "a0", "ab", "b", "c", "c.d", "", "a/", "B", "zz", "aa"] {
            let theirs = root.get_name_bytes(name.as_bytes()).map(|entry| Oid(entry.id()));
            assert_eq!(folder.find(name.as_bytes()).map(|(_, oid)| oid), theirs, "{name}");
        }
        let blob = folder.find(b"b").unwrap().1;
        assert!(repo.folder(blob).is_err(), "a blob is no folder");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let bench = Bench::local();
        let repo = bench.repo();
        let mut first = None;
        for number in 0..=FOLDERS_MAX {
            bench.write("a", &number.to_string());
            let root = repo.root_of(bench.commit("more")).unwrap();
            repo.folder(root).unwrap();
            first.get_or_insert(root);
        }
        let kept = repo.folders.kept.borrow();
        assert_eq!((kept.len(), kept.iter().any(|(oid, _)| Some(*oid) == first)), (FOLDERS_MAX, false));
        assert_eq!(repo.folders.roots.borrow().len(), ROOTS_MAX);
    }
}
