//! Building a commit: removals and writes against a tree, without an index and without a work tree.
//!
//! Owns the edit of trees and what new objects there are; `fresh` brings those to the store. A removal
//! applies only where the named object still stands there, a write never replaces anything, and
//! paths that other machines could not check out are refused. Nothing here moves a branch.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::checkout::Origin;
use super::fresh::Fresh;
use super::hand_over::Handed;
use super::objects::{Looking, joined, trimmed};
use super::splice::spliced;
use super::{MODE_FILE, MODE_FOLDER, MODE_GITLINK, Oid, Repo, RepoError};
use crate::planted::{self, Bug};

/// Name and address of a commit's author or committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

/// What is to change against a tree.
#[derive(Clone, Debug, Default)]
pub struct Changeset {
    /// What leaves the tree.
    pub removals: Vec<Removal>,
    /// What comes into it.
    pub writes: Vec<Write>,
}

/// An entry that leaves the tree if it still is this object.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Its path; it may name a folder or a submodule.
    pub path: Vec<u8>,
    /// The object that must stand there.
    pub oid: Oid,
}

/// An entry that comes into the tree.
#[derive(Clone, Debug)]
pub struct Write {
    /// Its path; folders are made as needed.
    pub path: Vec<u8>,
    /// What stands there.
    pub content: Content,
    /// One of the `MODE_…` constants. `Bytes` and `File` are blobs whatever it says.
    pub mode: u32,
}

impl Write {
    /// A plain file.
    pub fn file(path: impl Into<Vec<u8>>, content: Content) -> Self {
        Self { path: path.into(), content, mode: MODE_FILE }
    }
}

/// Content of a write.
#[derive(Clone, Debug)]
pub enum Content {
    /// An object that the store has (with the write's mode: a blob, a folder, a submodule).
    Object(Oid),
    /// These bytes.
    Bytes(Vec<u8>),
    /// The bytes of a regular file; a symbolic link is refused.
    File(PathBuf),
}

/// A commit that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The commit.
    pub commit: Oid,
    /// Removals that did not apply: another object stands there, or none.
    pub kept: Vec<Vec<u8>>,
}

impl Repo {
    /// Builds a commit on `base` (none: a first commit). `time` is in seconds since 1970, UTC.
    /// The same input gives the same commit.
    pub fn commit_on(
        &self,
        base: Option<Oid>,
        changeset: &Changeset,
        message: &str,
        author: &Identity,
        committer: &Identity,
        time: i64,
    ) -> Result<Built, RepoError> {
        let _writing = matches!(self.origin, Origin::Local).then(|| self.writing()).transpose()?;
        let mut root = base.map(|base| self.root(base)).transpose()?;
        if planted::is(Bug::FromTheIndex) {
            root = Some(self.index_of_the_clone()?);
        }
        let mut fresh = Fresh::new(self)?;
        let (edits, kept) = self.plan(root.as_ref(), changeset, &mut fresh)?;
        let tree = match self.edited(root.map(|root| Oid(root.id())), b"", edits, &mut fresh)? {
            Some(tree) => tree,
            None => fresh.tree(b"", b"")?,
        };
        let commit = fresh.commit(base, tree, message, author, committer, time)?;
        let files = fresh.keep()?;
        if let (Some(base), Origin::Remote { .. }) = (base, &self.origin) {
            let there = |write: &Write| match write.content {
                Content::Object(oid) if write.mode != MODE_GITLINK => Some(oid),
                _ => None,
            };
            let named = changeset.writes.iter().filter_map(there).collect();
            self.remember(Handed { base, commit, files, named });
        }
        // On the disk before the note goes and anybody hears of the commit.
        self.sync_objects()?;
        Ok(Built { commit, kept })
    }

    /// For [`Bug::FromTheIndex`] only.
    fn index_of_the_clone(&self) -> Result<git2::Tree<'_>, RepoError> {
        let tree = git2::Repository::open(&self.checkout.git_dir)
            .and_then(|clone| clone.index()?.write_tree_to(&self.store))
            .and_then(|tree| self.store.find_tree(tree));
        tree.map_err(RepoError::object("reading the clone's index"))
    }

    /// Writes bytes as a blob. One that is there and cannot be read is written anew.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid, RepoError> {
        if let Ok(oid) = git2::Oid::hash_object(git2::ObjectType::Blob, bytes) {
            self.remove_torn(Oid(oid));
        }
        self.store.blob(bytes).map(Oid).map_err(RepoError::object("writing a blob"))
    }

    fn plan(
        &self,
        root: Option<&git2::Tree<'_>>,
        changeset: &Changeset,
        fresh: &mut Fresh<'_>,
    ) -> Result<(Edits, Vec<Vec<u8>>), RepoError> {
        let trees = root.map(|root| self.looking_below(Oid(root.id())));
        let trees = trees.as_ref();
        let at = |path: &[u8]| trees.map_or(Ok(None), |trees| trees.entry(path));
        let mut edits = Edits::new();
        let mut kept = Vec::new();
        for removal in &changeset.removals {
            let stands = at(&removal.path)?.is_some_and(|entry| entry.oid == removal.oid);
            if !stands || !place(&mut edits, &removal.path, Edit::Remove) {
                kept.push(removal.path.clone());
            }
        }
        let mut taken = Vec::new();
        for write in &changeset.writes {
            if !is_usable_path(&write.path) {
                return Err(RepoError::BadPath { path: lossy(&write.path) });
            }
            let (oid, mode) = self.written(write, fresh)?;
            let free = is_free(trees, &edits, &write.path, oid, mode)?;
            if !free || !place(&mut edits, &write.path, Edit::Put(oid.0, mode)) {
                taken.push(lossy(&write.path));
            }
        }
        if taken.is_empty() { Ok((edits, kept)) } else { Err(RepoError::Taken { paths: taken }) }
    }

    fn written(&self, write: &Write, fresh: &mut Fresh<'_>) -> Result<(Oid, u32), RepoError> {
        let blob = if write.mode == MODE_FOLDER { MODE_FILE } else { write.mode };
        let name = write.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        match &write.content {
            Content::Object(oid) => {
                self.must_fit(*oid, write)?;
                Ok((*oid, write.mode))
            }
            Content::Bytes(bytes) => Ok((fresh.blob(name, bytes)?, blob)),
            Content::File(file) => Ok((fresh.blob(name, &read_plain(file)?)?, blob)),
        }
    }

    /// An object of the store that is to stand in a tree: it must be there, and of the kind that the mode says.
    fn must_fit(&self, oid: Oid, write: &Write) -> Result<(), RepoError> {
        let wanted = match write.mode {
            MODE_GITLINK => return Ok(()),
            MODE_FOLDER => git2::ObjectType::Tree,
            _ => git2::ObjectType::Blob,
        };
        let failed = || RepoError::object(format!("writing `{}` into a tree", lossy(&write.path)));
        let (_, kind) = self.store.odb().and_then(|objects| objects.read_header(oid.0)).map_err(failed())?;
        if kind == wanted {
            return Ok(());
        }
        Err(failed()(git2::Error::from_str(&format!("object {oid} is a {kind}, not a {wanted}"))))
    }

    /// Makes the edited tree; `None` where nothing is left in it: git keeps no empty folders.
    fn edited(
        &self,
        tree: Option<Oid>,
        name: &[u8],
        edits: Edits,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<Oid>, RepoError> {
        let failed = || RepoError::object(format!("writing `{}` into a tree", lossy(name)));
        let old = tree.map(|tree| self.folder(tree)).transpose()?;
        let mut changes = BTreeMap::new();
        for (name, edit) in edits {
            let put = match edit {
                Edit::Put(oid, mode) => Some((oid, mode)),
                Edit::Remove => None,
                Edit::Below(deeper) => {
                    let stands = old.as_ref().and_then(|old| old.find(&name));
                    let stands = stands.filter(|(mode, _)| *mode == MODE_FOLDER).map(|(_, oid)| oid);
                    self.edited(stands, &name, deeper, fresh)?.map(|tree| (tree.0, MODE_FOLDER))
                }
            };
            changes.insert(name, put);
        }
        let content = spliced(old.as_ref().map_or(&[], |old| old.content()), &changes)
            .ok_or_else(|| failed()(git2::Error::from_str("the tree that is there cannot be read")))?;
        if content.is_empty() { Ok(None) } else { fresh.tree(name, &content).map(Some) }
    }
}

/// True where nothing but the same object stands at the path, or on the way to it, once the
/// removals are done.
fn is_free(trees: Option<&Looking<'_>>, edits: &Edits, path: &[u8], oid: Oid, mode: u32) -> Result<bool, RepoError> {
    let Some(trees) = trees else { return Ok(true) };
    let mut way = Vec::new();
    let mut edits = Some(edits);
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    for (index, name) in names.iter().enumerate() {
        way = joined(&way, name);
        let edit = edits.and_then(|edits| edits.get(*name));
        if matches!(edit, Some(Edit::Remove)) {
            return Ok(true);
        }
        let Some(entry) = trees.entry(&way)? else { return Ok(true) };
        let last = index + 1 == names.len();
        if last {
            return Ok(entry.oid == oid && entry.mode == mode || planted::is(Bug::AnyPlace));
        }
        if entry.mode != MODE_FOLDER {
            return Ok(false);
        }
        edits = match edit {
            Some(Edit::Below(deeper)) => Some(deeper),
            _ => None,
        };
    }
    Ok(true)
}

type Edits = BTreeMap<Vec<u8>, Edit>;

enum Edit {
    Put(git2::Oid, u32),
    Remove,
    Below(Edits),
}

/// Puts an edit at its path; false where another edit stands there or on the way.
fn place(edits: &mut Edits, path: &[u8], edit: Edit) -> bool {
    match path.iter().position(|byte| *byte == b'/') {
        None => match edits.get(path) {
            // A removed entry may be written anew; anything else is decided already.
            None | Some(Edit::Remove) => {
                edits.insert(path.to_vec(), edit);
                true
            }
            Some(_) => false,
        },
        Some(slash) => {
            let (name, rest) = (&path[..slash], &path[slash + 1..]);
            match edits.entry(name.to_vec()).or_insert_with(|| Edit::Below(Edits::new())) {
                Edit::Below(deeper) => place(deeper, rest, edit),
                Edit::Put(..) | Edit::Remove => false,
            }
        }
    }
}

/// True for a path that every git takes into a tree and every clone can check out: relative, no
/// empty or dot segment, nothing that a file system could take for `.git`, within the usual lengths.
pub fn is_usable_path(path: &[u8]) -> bool {
    const SEGMENT_BYTES_MAX: usize = 255;
    const PATH_BYTES_MAX: usize = 3_000;
    path.len() <= PATH_BYTES_MAX
        && path == trimmed(path)
        && path.split(|byte| *byte == b'/').all(|name| {
            !name.is_empty()
                && name.len() <= SEGMENT_BYTES_MAX
                && name != b"."
                && name != b".."
                && !name.contains(&0)
                && !resembles_git(name)
        })
}

fn resembles_git(name: &[u8]) -> bool {
    if matches!(name, b".gitkeep" | b".gitignore") {
        return false;
    }
    // HFS+ ignores some characters, NTFS knows `git~1` and takes `.git.` and `.git::x` for `.git`.
    let seen: String = String::from_utf8_lossy(name)
        .chars()
        .filter(
            |c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .collect::<String>()
        .to_ascii_lowercase();
    seen.starts_with(".git") || seen.starts_with("git~") || seen.starts_with("gi7eba~")
}

fn read_plain(path: &Path) -> Result<Vec<u8>, RepoError> {
    let failed = || RepoError::file("reading", path);
    let nofollow =
        i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(nofollow).open(path).map_err(failed())?;
    if !file.metadata().map_err(failed())?.is_file() {
        return Err(failed()(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed())?;
    Ok(bytes)
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::MODE_EXECUTABLE;
    use super::super::bench_tests::{Bench, tester};
    use super::*;

    fn build(repo: &Repo, base: Option<Oid>, changeset: &Changeset) -> Result<Built, RepoError> {
        repo.commit_on(base, changeset, "executor: x rc=0\n", &tester(), &tester(), 1_700_000_000)
    }

    fn bytes(path: &str, text: &str) -> Write {
        Write::file(path, Content::Bytes(text.into()))
    }

    #[test]
    fn moves_a_request_and_drops_the_emptied_folder() {
        let bench = Bench::local();
        bench.write("requests/team/a.yml", "one");
        bench.write("keep", "x");
        let base = bench.commit("one");
        let repo = bench.repo();
        let oid = repo.entry_at(base, "requests/team/a.yml").unwrap().unwrap().oid;
        let file = bench.path("out");
        std::fs::write(&file, "out\r\n").unwrap();
        let changeset = Changeset {
            removals: vec![
                Removal { path: b"requests/team/a.yml".into(), oid },
                Removal { path: b"keep".into(), oid },
                Removal { path: b"none".into(), oid },
            ],
            writes: vec![
                Write { path: b"processed/team/a.yml".into(), content: Content::Object(oid), mode: MODE_EXECUTABLE },
                bytes("logs/team/a/status.yml", "status: success\n"),
                Write::file("logs/team/a/out", Content::File(file)),
            ],
        };
        let built = build(&repo, Some(base), &changeset).unwrap();
        assert_eq!(built.kept, [b"keep".to_vec(), b"none".to_vec()]);
        assert_eq!(build(&repo, Some(base), &changeset).unwrap(), built, "same input, same commit");
        let listed = bench
            .git(&bench.clone_dir(), &["ls-tree", "-r", "--format=%(objectmode) %(path)", &built.commit.to_string()]);
        assert_eq!(
            listed,
            "100644 keep\n100644 logs/team/a/out\n100644 logs/team/a/status.yml\n100755 processed/team/a.yml\n100644 seed"
        );
        assert_eq!(repo.blob_at(built.commit, "logs/team/a/out", 9).unwrap().unwrap().bytes.unwrap(), b"out\r\n");
        bench.git(&bench.clone_dir(), &["fsck", "--strict"]);
    }

    #[test]
    fn nothing_is_overwritten() {
        let bench = Bench::local();
        bench.write("logs/a/status.yml", "old");
        let base = bench.commit("one");
        let repo = bench.repo();
        let taken = |writes: Vec<Write>| match build(&repo, Some(base), &Changeset { removals: vec![], writes }) {
            Err(RepoError::Taken { paths }) => paths.join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(taken(vec![bytes("logs/a/status.yml", "new")]), "logs/a/status.yml");
        assert_eq!(taken(vec![bytes("logs/a/status.yml/x", "new")]), "logs/a/status.yml/x");
        assert_eq!(taken(vec![bytes("logs/a", "new")]), "logs/a");
        assert_eq!(taken(vec![bytes("new/x", "1"), bytes("new", "2")]), "new");
        assert!(taken(vec![bytes("logs/a/status.yml", "old")]).contains("Built"));
        for bad in ["", "/x", "x/", "a//b", "a/../b", ".git/x", ".GIT", "git~1", "a/.g\u{200c}it/b", "x\0"] {
            let refused = build(&repo, Some(base), &Changeset { removals: vec![], writes: vec![bytes(bad, "")] });
            assert!(matches!(refused, Err(RepoError::BadPath { .. })), "{bad:?}");
        }
    }

    #[test]
    fn entries_that_are_no_files_move_too() {
        let bench = Bench::local();
        let base = bench.head();
        let repo = bench.repo();
        let odd = Changeset {
            removals: vec![],
            writes: vec![
                Write { path: b"requests/sub.yml".into(), content: Content::Object(base), mode: MODE_GITLINK },
                bytes("requests/dir.yml/x", "1"),
                bytes("requests/a\nb.yml", "2"),
            ],
        };
        let base = build(&repo, Some(base), &odd).unwrap().commit;
        let entries = repo.tree_entries(base, "requests").unwrap();
        assert_eq!(entries.len(), 3);
        let path = |folder: &str, entry: &super::super::TreeEntry| joined(folder.as_bytes(), &entry.name);
        let changeset = Changeset {
            removals: entries.iter().map(|entry| Removal { path: path("requests", entry), oid: entry.oid }).collect(),
            writes: entries
                .iter()
                .map(|entry| Write {
                    path: path("processed", entry),
                    content: Content::Object(entry.oid),
                    mode: entry.mode,
                })
                .collect(),
        };
        let built = build(&repo, Some(base), &changeset).unwrap();
        assert_eq!(built.kept, Vec::<Vec<u8>>::new());
        assert_eq!(repo.tree_entries(built.commit, "processed").unwrap(), entries);
        assert!(!repo.exists(built.commit, "requests").unwrap());
    }

    #[test]
    fn a_first_commit_and_a_thousand_archived_files() {
        let bench = Bench::local();
        let repo = bench.repo();
        let writes = (0..1_000).map(|n| bytes(&format!("processed/{n:04}.yml"), &n.to_string())).collect();
        let first = build(&repo, None, &Changeset { removals: vec![], writes }).unwrap().commit;
        let one = Changeset { removals: vec![], writes: vec![bytes("processed/new.yml", "x")] };
        let second = build(&repo, Some(first), &one).unwrap().commit;
        assert_eq!(repo.tree_entries(second, "processed").unwrap().len(), 1_001);
        assert_eq!(
            bench.git(&bench.clone_dir(), &["diff", "--name-only", &first.to_string(), &second.to_string()]),
            "processed/new.yml"
        );
    }
}
