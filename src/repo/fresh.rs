//! New objects of a commit: held in memory until the commit is whole, then written as loose objects or as one pack.
//!
//! A file for each object is dear on most file systems, and a pack for each commit makes every look-up dear after some
//! hundreds. So a few objects are written loose and many as a pack, as long as there are not many packs yet. A pack gets its
//! name when both of its files are on the disk: what a power cut leaves under that name is whole.
//!
//! ```text
//! objects/tmp_dispatch-XXXXXX/     a pack that is being written; git clears such names away too, where they are old
//! objects/pack/pack-<hash>.pack    then in its place, and .idx last: without that nobody sees the other
//! ```
//! What is large, or would be too much to hold, is written loose at once.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::ObjectType;

use super::{Identity, Oid, Repo, RepoError, store};

/// So many objects are worth a pack.
const PACKED_MIN: usize = 128;
/// A larger blob is not held.
const BLOB_BYTES_MAX: usize = 512 << 10;
/// Nor is more than this together.
const HELD_BYTES_MAX: usize = 8 << 20;
/// What the names of folders begin with in which a pack is written.
pub(super) const DRAFT: &str = "tmp_dispatch-";

/// The new objects of one commit.
pub(super) struct Fresh<'repo> {
    repo: &'repo Repo,
    /// Knows nothing but what is held, so that no write looks at the disk.
    memory: git2::Repository,
    /// What is held, each after what it names; with the last part of its path, by which a pack finds what is alike.
    held: Vec<(git2::Oid, Vec<u8>)>,
    known: HashSet<git2::Oid>,
    bytes: usize,
    /// What was written loose already.
    large: Vec<Oid>,
}

impl<'repo> Fresh<'repo> {
    pub(super) fn new(repo: &'repo Repo) -> Result<Self, RepoError> {
        let memory = git2::Odb::new().and_then(|objects| {
            objects.add_new_mempack_backend(1)?;
            git2::Repository::from_odb(objects)
        });
        let memory = memory.map_err(RepoError::object("making room for new objects"))?;
        Ok(Self { repo, memory, held: Vec::new(), known: HashSet::new(), bytes: 0, large: Vec::new() })
    }

    /// A blob that will stand under this name.
    pub(super) fn blob(&mut self, name: &[u8], bytes: &[u8]) -> Result<Oid, RepoError> {
        if bytes.len() > BLOB_BYTES_MAX || self.bytes + bytes.len() > HELD_BYTES_MAX {
            let oid = self.repo.write_blob(bytes)?;
            self.large.push(oid);
            return Ok(oid);
        }
        self.hold(ObjectType::Blob, name, bytes)
    }

    /// A tree, by its content, that will stand under this name.
    pub(super) fn tree(&mut self, name: &[u8], content: &[u8]) -> Result<Oid, RepoError> {
        self.hold(ObjectType::Tree, name, content)
    }

    /// The commit of it all.
    pub(super) fn commit(
        &mut self,
        parent: Option<Oid>,
        tree: Oid,
        message: &str,
        author: &Identity,
        committer: &Identity,
        time: i64,
    ) -> Result<Oid, RepoError> {
        let failed = || RepoError::object("building a commit");
        let when = git2::Time::new(time, 0);
        let author = git2::Signature::new(&author.name, &author.email, &when).map_err(failed())?;
        let committer = git2::Signature::new(&committer.name, &committer.email, &when).map_err(failed())?;
        let commit = {
            let parent = parent.map(|parent| self.known_parent(parent)).transpose().map_err(failed())?;
            let tree = self.memory.find_tree(tree.0).map_err(failed())?;
            let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
            self.memory.commit(None, &author, &committer, message, &tree, &parents).map_err(failed())?
        };
        self.held.push((commit, Vec::new()));
        Ok(Oid(commit))
    }

    /// The parent as the memory's own, which is what a commit there can name. It is not written again.
    fn known_parent(&self, parent: Oid) -> Result<git2::Commit<'_>, git2::Error> {
        let objects = self.repo.store.odb()?;
        let parent = objects.read(parent.0)?;
        self.memory.odb()?.write(ObjectType::Commit, parent.data()).and_then(|parent| self.memory.find_commit(parent))
    }

    /// Writes what is held into the store; the files that came of it, a pack's in the order in which they may be seen.
    pub(super) fn keep(self) -> Result<Vec<PathBuf>, RepoError> {
        let objects = self.repo.store.commondir().join("objects");
        if self.held.len() >= PACKED_MIN
            && store::packs(&objects) < store::PACKS_MAX
            && let Some(mut files) = self.keep_packed(&objects)?
        {
            files.splice(0..0, self.large.iter().map(|oid| store::loose_file(&objects, *oid)));
            return Ok(files);
        }
        self.keep_loose()?;
        let all = self.large.iter().copied().chain(self.held.iter().map(|(oid, _)| Oid(*oid)));
        Ok(all.map(|oid| store::loose_file(&objects, oid)).collect())
    }

    /// Writes them as a pack; `None` where libgit2 could not.
    fn keep_packed(&self, objects: &Path) -> Result<Option<Vec<PathBuf>>, RepoError> {
        let failed = || RepoError::file("writing a pack into", objects);
        let draft = tempfile::Builder::new().prefix(DRAFT).tempdir_in(objects).map_err(failed())?;
        if let Err(error) = self.write_pack(draft.path()) {
            // Whatever it was, it need not be in the way of loose ones, or they say it better.
            tracing::debug!("writing a pack: {error}: the objects are written loose");
            return Ok(None);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(draft.path()).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed())?;
            files.push(path);
        }
        // The one without which the other is not seen comes last.
        files.sort_by_key(|path| path.extension().is_some_and(|extension| extension == "idx"));
        let place = objects.join("pack");
        fs::create_dir_all(&place).map_err(failed())?;
        let moves: Vec<_> = files.iter().filter_map(|path| Some((path, place.join(path.file_name()?)))).collect();
        // The same objects again, as after a push that did not go through: that one may be in use.
        if !moves.iter().all(|(_, place)| place.exists()) {
            for (path, place) in &moves {
                fs::rename(path, place).map_err(failed())?;
            }
        }
        Ok(Some(moves.into_iter().map(|(_, place)| place).collect()))
    }

    fn write_pack(&self, folder: &Path) -> Result<(), git2::Error> {
        let mut pack = self.memory.packbuilder()?;
        // As git orders them: the commit first, and what is named before what it names.
        for (oid, name) in self.held.iter().rev() {
            pack.insert_object(*oid, std::str::from_utf8(name).ok())?;
        }
        pack.write(folder, 0)
    }

    fn keep_loose(&self) -> Result<(), RepoError> {
        let failed = || RepoError::object("writing an object");
        let (held, store) = (self.memory.odb().map_err(failed())?, self.repo.store.odb().map_err(failed())?);
        for (oid, _) in &self.held {
            let object = held.read(*oid).map_err(failed())?;
            self.repo.remove_torn(Oid(*oid));
            store.write(object.kind(), object.data()).map_err(failed())?;
        }
        Ok(())
    }

    fn hold(&mut self, kind: ObjectType, name: &[u8], bytes: &[u8]) -> Result<Oid, RepoError> {
        let written = self.memory.odb().and_then(|objects| objects.write(kind, bytes));
        let oid = written.map_err(RepoError::object("holding an object"))?;
        if self.known.insert(oid) {
            self.bytes += bytes.len();
            self.held.push((oid, name.to_vec()));
        }
        Ok(Oid(oid))
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Built, Changeset, Content, Write};
    use super::*;

    /// A commit of so many files, each in a folder of its own.
    fn commit(repo: &Repo, base: Oid, files: usize) -> Built {
        let file = |number| Write::file(format!("logs/{number}/log"), Content::Bytes(format!("{number}\n").into()));
        let changeset = Changeset { removals: vec![], writes: (0..files).map(file).collect() };
        repo.commit_on(Some(base), &changeset, "records", &tester(), &tester(), 1_700_000_000).unwrap()
    }

    fn files_below(folder: &Path) -> usize {
        let below = |path: &Path| if path.is_dir() { files_below(path) } else { 1 };
        fs::read_dir(folder).into_iter().flatten().map(|entry| below(&entry.unwrap().path())).sum()
    }

    #[test]
    fn a_large_commit_is_one_pack_and_a_small_one_loose_and_git_finds_both_whole() {
        for remote in [false, true] {
            let bench = if remote { Bench::with_remote() } else { Bench::local() };
            let mut repo = bench.repo();
            let tip = repo.fetch().unwrap().commit;
            let objects = repo.store.commondir().join("objects");
            let before = (files_below(&objects), store::packs(&objects));
            let small = commit(&repo, tip, 3);
            assert_eq!((files_below(&objects), store::packs(&objects)), (before.0 + 3 + 5 + 1, before.1));
            let large = commit(&repo, tip, PACKED_MIN);
            let (files, packs) = (files_below(&objects), store::packs(&objects));
            assert_eq!(
                (files - before.0 - 9, packs),
                (2, before.1 + 1),
                "a pack and its index, and nothing beside them"
            );
            assert_eq!(commit(&repo, tip, PACKED_MIN), large, "same input, same commit");
            assert_eq!(files_below(&objects), files, "and no other pack");
            let own = repo.store.path().to_owned();
            for built in [&small, &large] {
                bench.git(&own, &["fsck", "--strict", "--no-dangling", &built.commit.to_string()]);
            }
            repo.push(Some(tip), large.commit).unwrap();
            assert_eq!(repo.fetch().unwrap().commit, large.commit);
            assert_eq!(repo.blob_at(large.commit, "logs/7/log", 9).unwrap().unwrap().bytes.unwrap(), b"7\n");
        }
    }

    #[test]
    fn what_is_large_is_not_held_and_where_there_are_many_packs_there_are_no_more() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let mut fresh = Fresh::new(&repo).unwrap();
        let large = fresh.blob(b"x", &vec![b'x'; BLOB_BYTES_MAX + 1]).unwrap();
        assert!(repo.has(large), "it is written at once");
        let held = fresh.blob(b"x", b"small").unwrap();
        assert!(!repo.has(held));
        fresh.bytes = HELD_BYTES_MAX;
        let over = fresh.blob(b"x", b"one too many").unwrap();
        assert!(repo.has(over));
        assert_eq!(fresh.keep().unwrap().len(), 3);
        assert!(repo.has(held));
        let objects = repo.store.path().join("objects");
        for number in store::packs(&objects)..store::PACKS_MAX {
            fs::write(objects.join(format!("pack/pack-{number:040}.pack")), "").unwrap();
        }
        let built = commit(&repo, tip, PACKED_MIN);
        assert_eq!(store::packs(&objects), store::PACKS_MAX);
        assert!(store::loose_file(&objects, built.commit).exists());
    }
}
