//! Moving index and files of the user's work tree from one commit to another, by git, and the repair of a move that was cut
//! off.
//!
//! Git writes files first and the index last. Where it was killed in between, what it has written lies in its own way: the
//! next one takes it for somebody's untracked work. So where git refuses, files that are already what they are to become
//! enter the index as that, and the torn beginning of a new file is removed; then git is asked once more. Whatever is
//! anything else is the user's and stays: with a remote nothing is moved then. Without one the branch has moved already, and
//! the next commit of an index that has not would take back what it gained, so all that is not the user's moves around it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use git2::Delta;

use super::checkout::Origin;
use super::git::{Call, Output};
use super::remote::sync_file_system;
use super::{MODE_EXECUTABLE, Oid, Repo, RepoError, objects};
use crate::room;

/// Git's name for a tree without entries.
pub(super) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A larger file is not compared with what it is to become.
const COMPARED_MAX: u64 = 64 << 20;

/// Paths that one call of git is given.
const PATHS_A_CALL: usize = 200;

/// A path that one of two commits has not, or has otherwise.
struct Changed {
    path: Vec<u8>,
    /// Mode and object in the newer one.
    becomes: Option<(u32, Oid)>,
    /// The older one has it not.
    is_new: bool,
}

impl Changed {
    /// As `git update-index --cacheinfo` takes it.
    fn entry(&self) -> Option<OsString> {
        let (mode, oid) = self.becomes?;
        let mut entry = format!("{mode:o},{oid},").into_bytes();
        entry.extend(&self.path);
        Some(OsString::from_vec(entry))
    }
}

impl Repo {
    /// Moves the files and an index (none: the repository's own) from the first of `starts` to `new`, or from the second
    /// where git refuses the first; the words where git would have to overwrite something.
    ///
    /// # Errors
    /// [`RepoError`] where git did not come to its end: index and files may be anywhere between the two then.
    pub(super) fn move_files(
        &self,
        index: Option<&Path>,
        starts: (Option<Oid>, Option<Oid>),
        new: Oid,
    ) -> Result<Option<String>, RepoError> {
        let (stands, otherwise) = starts;
        let Some(words) = self.read_tree(index, stands, new)? else { return Ok(None) };
        if self.adopt(index, stands, new)? && self.read_tree(index, stands, new)?.is_none() {
            return Ok(None);
        }
        // Where people have brought the work tree up themselves, a note of where it stood is out of date.
        if otherwise.is_some() && otherwise != stands && self.read_tree(index, otherwise, new)?.is_none() {
            return Ok(None);
        }
        if self.origin == Origin::Local && self.move_around(index, stands, new)? {
            tracing::warn!("{words}: what is changed there stays as it is, the rest has moved");
            return Ok(None);
        }
        Ok(Some(words))
    }

    /// Brings the files of the work tree to the disk, before anything says that they stand there.
    pub(super) fn sync_files(&self) -> Result<(), RepoError> {
        self.checkout.work_tree.as_deref().map_or(Ok(()), sync_file_system)
    }

    fn read_tree(&self, index: Option<&Path>, old: Option<Oid>, new: Oid) -> Result<Option<String>, RepoError> {
        // Its exit code only says that something is dirty, which may not concern us.
        self.to_its_end(self.index_call("update-index", index).args(["-q", "--refresh"]), "update-index")?;
        let call = self.index_call("read-tree", index);
        let call = call.args(["-m", "-u", "--no-recurse-submodules", &name_of(old), &new.to_string()]);
        let output = self.to_its_end(call, "read-tree")?;
        Ok((!output.succeeded()).then(|| format!("the work tree was left alone: {}", output.stderr)))
    }

    /// Runs git; an error where it was killed or found no room.
    fn to_its_end(&self, call: Call<'_>, verb: &'static str) -> Result<Output, RepoError> {
        let output = call.run().inspect_err(|_| self.has_torn())?;
        if output.code.is_none() || room::is_said(&output.stderr) {
            self.has_torn();
            let words = output.code.map_or("a signal ended it", |_| &output.stderr).to_owned();
            return Err(RepoError::Program { verb, words });
        }
        Ok(output)
    }

    /// Puts into the index what already stands in the work tree as it is to become, and removes torn beginnings of new
    /// files; false where there was nothing of the kind.
    fn adopt(&self, index: Option<&Path>, old: Option<Oid>, new: Oid) -> Result<bool, RepoError> {
        let Some(top) = &self.checkout.work_tree else { return Ok(false) };
        let staged = self.staged(index, old)?;
        let mut arrived: Vec<OsString> = Vec::new();
        let mut torn = false;
        for changed in self.differing(old, new)? {
            let Some((mode, oid)) = changed.becomes.filter(|(mode, _)| objects::is_blob(*mode)) else { continue };
            if staged.contains(&changed.path) {
                continue;
            }
            let (_, Some(wanted)) = self.blob(oid, COMPARED_MAX)? else { continue };
            let Some(Ok((bytes, executable))) = self.read_safely(&changed.path, wanted.len() as u64) else { continue };
            if bytes == wanted && executable == (mode == MODE_EXECUTABLE) {
                arrived.extend(changed.entry());
            } else if changed.is_new && wanted.starts_with(&bytes) {
                let file = top.join(OsStr::from_bytes(&changed.path));
                std::fs::remove_file(&file).map_err(RepoError::file("removing", &file))?;
                torn = true;
            }
        }
        self.put_into_index(index, &arrived)?;
        Ok(torn || !arrived.is_empty())
    }

    /// Moves every path that the user has neither staged nor changed, and the index alone where the file is changed: that is
    /// an edit of what is there now, or a file that git does not know. False where the commits are not at hand.
    fn move_around(&self, index: Option<&Path>, old: Option<Oid>, new: Oid) -> Result<bool, RepoError> {
        let Some(top) = &self.checkout.work_tree else { return Ok(false) };
        let (staged, edited) = (self.staged(index, old)?, self.changed_files(index)?);
        let (mut entries, mut files, mut gone, mut removed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let differing = self.differing(old, new)?;
        for changed in differing.iter().filter(|changed| !staged.contains(&changed.path)) {
            let (path, file) = (OsStr::from_bytes(&changed.path), top.join(OsStr::from_bytes(&changed.path)));
            let is_theirs = edited.contains(&changed.path) || changed.is_new && file.symlink_metadata().is_ok();
            if let Some(entry) = changed.entry() {
                entries.push(entry);
                files.extend((!is_theirs).then_some(path));
            } else {
                gone.push(path);
                removed.extend((!is_theirs).then_some(file));
            }
        }
        self.put_into_index(index, &entries)?;
        for some in gone.chunks(PATHS_A_CALL) {
            self.to_its_end(
                self.index_call("update-index", index).args(["--force-remove", "--"]).args(some),
                "update-index",
            )?;
        }
        for some in files.chunks(PATHS_A_CALL) {
            self.to_its_end(
                self.index_call("checkout-index", index).args(["-f", "-u", "-q", "--"]).args(some),
                "checkout-index",
            )?;
        }
        for file in removed {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!("removing `{}`: {error}", file.display());
                }
                _ => remove_empty_above(&file, top),
            }
        }
        Ok(!differing.is_empty())
    }

    fn put_into_index(&self, index: Option<&Path>, entries: &[OsString]) -> Result<(), RepoError> {
        for some in entries.chunks(PATHS_A_CALL) {
            let mut call = self.index_call("update-index", index).arg("--add");
            for entry in some {
                call = call.arg("--cacheinfo").arg(entry);
            }
            self.to_its_end(call, "update-index")?;
        }
        Ok(())
    }

    /// Paths that differ between two commits; none where one of them is not at hand.
    fn differing(&self, old: Option<Oid>, new: Oid) -> Result<Vec<Changed>, RepoError> {
        let (Ok(from), Ok(to)) = (old.map(|old| self.root(old)).transpose(), self.root(new)) else {
            return Ok(Vec::new());
        };
        let diff = self
            .store
            .diff_tree_to_tree(from.as_ref(), Some(&to), None)
            .map_err(RepoError::object(format!("comparing {} with {new}", name_of(old))))?;
        let changed = |delta: git2::DiffDelta<'_>| {
            let (before, after) = (delta.old_file(), delta.new_file());
            let becomes = (u32::from(after.mode()), Oid(after.id()));
            Some(Changed {
                path: after.path_bytes().or(before.path_bytes())?.to_vec(),
                becomes: (delta.status() != Delta::Deleted).then_some(becomes),
                is_new: delta.status() == Delta::Added,
            })
        };
        Ok(diff.deltas().filter_map(changed).collect())
    }

    /// Paths that two commits have otherwise; none where one of them is not at hand.
    pub(super) fn paths_between(&self, old: Option<Oid>, new: Oid) -> Result<Vec<Vec<u8>>, RepoError> {
        Ok(self.differing(old, new)?.into_iter().map(|changed| changed.path).collect())
    }

    /// Paths that the index has otherwise than a commit.
    pub(super) fn staged(&self, index: Option<&Path>, commit: Option<Oid>) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        let call = self.index_call("diff-index", index);
        self.names(call.args(["--cached", "--name-only", "--no-renames", "-z", &name_of(commit), "--"]), "diff-index")
    }

    /// Paths that the work tree has otherwise than the index.
    fn changed_files(&self, index: Option<&Path>) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        self.names(self.index_call("diff-files", index).args(["--name-only", "-z", "--"]), "diff-files")
    }

    fn names(&self, call: Call<'_>, verb: &'static str) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        let output = self.to_its_end(call, verb)?;
        if !output.succeeded() || output.cut {
            return Err(RepoError::Program { verb, words: output.stderr });
        }
        Ok(output.stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }

    fn index_call(&self, verb: &str, index: Option<&Path>) -> Call<'_> {
        let mut call = self.bare_call(verb).timeout(Duration::from_mins(10));
        if let Some(tree) = &self.checkout.work_tree {
            call = call.work_tree(tree);
        }
        match index {
            Some(index) => call.env("GIT_INDEX_FILE", index),
            None => call,
        }
    }
}

/// Removes folders that a removed file leaves empty, as git does.
fn remove_empty_above(file: &Path, top: &Path) {
    for folder in file.ancestors().skip(1).take_while(|folder| *folder != top) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// With one tree only, `read-tree` would drop whatever else is staged: a start from nothing is the empty tree, which every
/// git knows.
fn name_of(commit: Option<Oid>) -> String {
    commit.map_or_else(|| EMPTY_TREE.to_owned(), |commit| commit.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, Followed, Write};
    use super::*;

    /// A repository with a record on the branch that the work tree has not followed: (old, new).
    fn behind(bench: &Bench, repo: &mut Repo) -> (Oid, Oid) {
        let old = repo.fetch().unwrap().commit;
        let changeset = Changeset {
            removals: vec![],
            writes: vec![
                Write::file("logs/a/log", Content::Bytes(b"one\ntwo\n".to_vec())),
                Write::file("logs/a/status.yml", Content::Bytes(b"status: success\n".to_vec())),
                Write::file("seed", Content::Bytes(b"seed\nmore\n".to_vec())),
            ],
        };
        let seed = repo.entry_at(old, "seed").unwrap().unwrap().oid;
        let removals = vec![super::super::Removal { path: b"seed".to_vec(), oid: seed }];
        let changeset = Changeset { removals, ..changeset };
        let new = repo.commit_on(Some(old), &changeset, "record", &tester(), &tester(), 0).unwrap().commit;
        repo.push(Some(old), new).unwrap();
        let _ = bench;
        (old, new)
    }

    #[test]
    fn what_a_killed_git_has_written_already_is_no_obstacle() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let (old, new) = behind(&bench, &mut repo);
        bench.write("logs/a/log", "one\ntwo\n");
        bench.write("logs/a/status.yml", "stat");
        bench.write("seed", "seed\nmore\n");
        assert_eq!(repo.follow(Some(old), new).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
        assert_eq!(bench.head(), new);
    }

    #[test]
    fn what_somebody_has_written_or_staged_there_stays() {
        let bench = Bench::with_remote();
        let dir = bench.clone_dir();
        let mut repo = bench.repo();
        let (old, new) = behind(&bench, &mut repo);
        // The beginning of a file that was there before is somebody's edit, and so is what is staged.
        bench.write("seed", "se");
        assert!(matches!(repo.follow(Some(old), new).unwrap(), Followed::Skipped(_)));
        assert_eq!(fs::read_to_string(dir.join("seed")).unwrap(), "se");
        bench.git(&dir, &["checkout", "-q", "seed"]);
        bench.write("logs/a/log", "mine");
        bench.git(&dir, &["add", "logs/a/log"]);
        bench.write("logs/a/log", "one\ntwo\n");
        assert!(matches!(repo.follow(Some(old), new).unwrap(), Followed::Skipped(_)));
        assert_eq!(bench.git(&dir, &["show", ":logs/a/log"]), "mine");
    }

    #[test]
    fn without_a_remote_the_rest_moves_around_what_somebody_has_changed() {
        let bench = Bench::local();
        let dir = bench.clone_dir();
        for name in ["requests/edited.yml", "requests/staged.yml", "requests/plain.yml"] {
            bench.write(name, "kind: x\n");
        }
        bench.commit("requests");
        let mut repo = bench.repo();
        let old = repo.fetch().unwrap().commit;
        let removal = |name: &str| super::super::Removal {
            path: name.as_bytes().to_vec(),
            oid: repo.entry_at(old, name).unwrap().unwrap().oid,
        };
        let removals = ["requests/edited.yml", "requests/staged.yml", "requests/plain.yml"].map(removal).to_vec();
        let write = |name: &str| Write::file(name, Content::Bytes(b"done\n".to_vec()));
        let changeset = Changeset { removals, writes: ["logs/a", "logs/mine", "processed/a"].map(write).to_vec() };
        let new = repo.commit_on(Some(old), &changeset, "record", &tester(), &tester(), 0).unwrap().commit;
        bench.write("requests/edited.yml", "edited");
        bench.write("requests/staged.yml", "staged");
        bench.git(&dir, &["add", "requests/staged.yml"]);
        bench.write("logs/mine", "untracked");
        repo.push(Some(old), new).unwrap();
        assert_eq!(repo.follow(Some(old), new).unwrap(), Followed::Followed);
        let status = bench.git(&dir, &["status", "--porcelain"]);
        assert_eq!(status, " M logs/mine\nA  requests/staged.yml\n?? requests/edited.yml");
        // What somebody commits now takes nothing back.
        bench.git(&dir, &["commit", "-qm", "mine"]);
        let names = bench.git(&dir, &["diff", "--name-status", &new.to_string(), "HEAD"]);
        assert_eq!(names, "A\trequests/staged.yml");
        assert_eq!(fs::read_to_string(dir.join("requests/edited.yml")).unwrap(), "edited");
        assert_eq!(fs::read_to_string(dir.join("logs/mine")).unwrap(), "untracked");
        assert!(!dir.join("requests/plain.yml").exists() && dir.join("processed/a").exists());
    }
}
