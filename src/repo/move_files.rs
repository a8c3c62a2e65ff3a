//! Moving index and files of the user's work tree from one commit to another: by git, and path by path where git refuses.
//!
//! Git writes files first and the index last. Where it was killed in between, what it has written lies in its own way: the
//! next one takes it for somebody's work. So where git refuses, each path that moves is looked at: what stands as one of the
//! commits has it, or is the torn beginning of a file that one of them adds, is ours and goes on. Anything else is the
//! user's and stays. With a remote nothing is moved then. Without one the branch moves all the same, and the next commit of
//! an index that has not would take back what it gains: everything else moves around what is the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::abreast::IndexLock;
use super::checkout::Origin;
use super::git::{Call, Output};
use super::remote::sync_file_system;
use super::{MODE_EXECUTABLE, MODE_FOLDER, Oid, Repo, RepoError, objects, porcelain};
use crate::room;

/// Git's name for a tree without entries.
pub(super) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A larger file is not compared with what a commit has.
const COMPARED_MAX: u64 = 64 << 20;

/// Paths that one call of git is given.
const PATHS_A_CALL: usize = 200;

/// Mode and object of a path, in a commit or in the index.
type Version = (u32, Oid);

/// What is to be done for the paths that are not the user's.
#[derive(Default)]
struct Plan {
    /// New versions for the index, as `git update-index --cacheinfo` takes them.
    entries: Vec<OsString>,
    /// Paths that leave the index.
    gone: Vec<OsString>,
    /// Files that are written as the index has them.
    files: Vec<OsString>,
    /// Files that are removed.
    removed: Vec<PathBuf>,
    /// Paths where something of the user's stays.
    theirs: Vec<String>,
}

impl Repo {
    /// Moves the files and an index (the draft beside a held one; none: the repository's own) from `old` to `new`; the words
    /// where something of the user's would have to be overwritten.
    ///
    /// # Errors
    /// [`RepoError`] where git did not come to its end: index and files may be anywhere between the two then.
    pub(super) fn move_files(
        &self,
        index: Option<&IndexLock>,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<Option<String>, RepoError> {
        let Some(words) = self.read_tree(index, old, new)? else { return Ok(None) };
        let is_moved = self.move_paths(index, &[old], new)?;
        Ok((!is_moved).then(|| format!("the work tree was left alone: {words}")))
    }

    /// The same path by path, where index and files may stand at any of some commits, or between them. False where nothing
    /// was done: with a remote because something is the user's, or because none of the commits is at hand.
    pub(super) fn move_paths(
        &self,
        index: Option<&IndexLock>,
        known: &[Option<Oid>],
        new: Oid,
    ) -> Result<bool, RepoError> {
        let Some(top) = &self.checkout.work_tree else { return Ok(false) };
        let at_hand: Vec<Option<Oid>> = known.iter().copied().filter(|at| self.tree_of(*at).is_ok()).collect();
        if at_hand.is_empty() || self.tree_of(Some(new)).is_err() {
            return Ok(false);
        }
        self.to_its_end(self.index_call("update-index", index).args(["-q", "--refresh"]), "update-index")?;
        let plan = self.plan_move(index, &at_hand, new, top)?;
        if !plan.theirs.is_empty() {
            if self.origin != Origin::Local {
                return Ok(false);
            }
            tracing::warn!("changed in the work tree, and left as it is: {}", plan.theirs.join(", "));
        }
        self.carry_out_move(index, &plan, top)?;
        Ok(true)
    }

    /// Brings the files of the work tree to the disk, before anything says that they stand there.
    pub(super) fn sync_files(&self) -> Result<(), RepoError> {
        self.checkout.work_tree.as_deref().map_or(Ok(()), sync_file_system)
    }

    fn read_tree(&self, index: Option<&IndexLock>, old: Option<Oid>, new: Oid) -> Result<Option<String>, RepoError> {
        // With one tree only, git would drop whatever else is staged: a start from nothing is the empty tree.
        let old = old.map_or_else(|| EMPTY_TREE.to_owned(), |old| old.to_string());
        let call = || {
            let call = self.index_call("read-tree", index);
            call.args(["-m", "-u", "--no-recurse-submodules", &old, &new.to_string()])
        };
        if self.to_its_end(call(), "read-tree")?.succeeded() {
            return Ok(None);
        }
        // What was only touched looks changed until it is looked into. The exit code says that something is dirty, which
        // may not concern us.
        self.to_its_end(self.index_call("update-index", index).args(["-q", "--refresh"]), "update-index")?;
        let output = self.to_its_end(call(), "read-tree")?;
        Ok((!output.succeeded()).then_some(output.stderr))
    }

    fn plan_move(
        &self,
        index: Option<&IndexLock>,
        known: &[Option<Oid>],
        new: Oid,
        top: &Path,
    ) -> Result<Plan, RepoError> {
        let mut paths = BTreeSet::new();
        for at in known {
            paths.extend(self.differing(*at, new)?);
        }
        let indexed = self.indexed(index, &paths)?;
        let changed = self.changed_files(index)?;
        let mut plan = Plan::default();
        for path in paths {
            let becomes = self.version(Some(new), &path)?;
            let mut versions = vec![becomes];
            for at in known {
                versions.push(self.version(*at, &path)?);
            }
            let shown = String::from_utf8_lossy(&path).into_owned();
            let stands = indexed.get(&path).copied();
            if !versions.contains(&stands) {
                plan.theirs.push(shown);
                continue;
            }
            let is_clean = stands.is_some() && !changed.contains(&path);
            let is_ours = is_clean || self.is_left_by_us(&path, &versions, top)?;
            let (name, file) = (OsString::from_vec(path.clone()), top.join(OsStr::from_bytes(&path)));
            if let Some((mode, oid)) = becomes {
                let mut entry = format!("{mode:o},{oid},").into_bytes();
                entry.extend(&path);
                plan.entries.push(OsString::from_vec(entry));
                plan.files.extend(is_ours.then_some(name));
            } else {
                plan.gone.push(name);
                plan.removed.extend(is_ours.then_some(file));
            }
            plan.theirs.extend((!is_ours).then_some(shown));
        }
        Ok(plan)
    }

    /// Whether a file that is not as the index has it is as one of these versions, missing as one of them is, or torn.
    fn is_left_by_us(&self, path: &[u8], versions: &[Option<Version>], top: &Path) -> Result<bool, RepoError> {
        let may_be_missing = versions.contains(&None);
        if top.join(OsStr::from_bytes(path)).symlink_metadata().is_err() {
            return Ok(may_be_missing);
        }
        for (mode, oid) in versions.iter().flatten().filter(|(mode, _)| objects::is_blob(*mode)) {
            let (_, Some(wanted)) = self.blob(*oid, COMPARED_MAX)? else { continue };
            let Some(Ok((bytes, executable))) = self.read_safely(path, wanted.len() as u64) else { continue };
            let is_torn = may_be_missing && bytes.len() < wanted.len() && wanted.starts_with(&bytes);
            if is_torn || bytes == wanted && executable == (*mode == MODE_EXECUTABLE) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn carry_out_move(&self, index: Option<&IndexLock>, plan: &Plan, top: &Path) -> Result<(), RepoError> {
        for some in plan.entries.chunks(PATHS_A_CALL) {
            let call = some
                .iter()
                .fold(self.index_call("update-index", index).arg("--add").arg("--replace"), |call, entry| {
                    call.arg("--cacheinfo").arg(entry)
                });
            self.to_its_end(call, "update-index")?;
        }
        let calls: [(&'static str, &[&str], &[OsString]); 2] = [
            ("update-index", &["--force-remove", "--"], &plan.gone),
            ("checkout-index", &["-f", "-u", "-q", "--"], &plan.files),
        ];
        for (verb, how, paths) in calls {
            for some in paths.chunks(PATHS_A_CALL) {
                self.to_its_end(self.index_call(verb, index).args(how).args(some), verb)?;
            }
        }
        for file in &plan.removed {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!("removing `{}`: {error}", file.display());
                }
                _ => remove_empty_above(file, top),
            }
        }
        Ok(())
    }

    /// Runs git; an error where it was killed or found no room.
    fn to_its_end(&self, call: Call<'_>, verb: &'static str) -> Result<Output, RepoError> {
        let output = call.run().inspect_err(|_| self.has_torn())?;
        if room::is_said(&output.stderr) {
            self.has_torn();
            return Err(RepoError::Program { verb, words: output.stderr });
        }
        Ok(output)
    }

    /// The tree of a commit; of none, and of the empty tree, none.
    fn tree_of(&self, at: Option<Oid>) -> Result<Option<git2::Tree<'_>>, RepoError> {
        at.filter(|at| at.to_string() != EMPTY_TREE).map(|at| self.root(at)).transpose()
    }

    fn version(&self, at: Option<Oid>, path: &[u8]) -> Result<Option<Version>, RepoError> {
        let Some(tree) = self.tree_of(at)? else { return Ok(None) };
        Ok(self.entry_in(&tree, path)?.filter(|entry| entry.mode != MODE_FOLDER).map(|entry| (entry.mode, entry.oid)))
    }

    /// Paths that two commits have otherwise.
    fn differing(&self, old: Option<Oid>, new: Oid) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        let (from, to) = (self.tree_of(old)?, self.tree_of(Some(new))?);
        let diff = self.store.diff_tree_to_tree(from.as_ref(), to.as_ref(), None);
        let diff = diff.map_err(RepoError::object(format!("comparing the work tree's commit with {new}")))?;
        let path = |delta: git2::DiffDelta<'_>| {
            delta.new_file().path_bytes().or(delta.old_file().path_bytes()).map(<[u8]>::to_vec)
        };
        Ok(diff.deltas().filter_map(path).collect())
    }

    /// What the index has of these paths; one that is not merged stands for no version.
    fn indexed(
        &self,
        index: Option<&IndexLock>,
        paths: &BTreeSet<Vec<u8>>,
    ) -> Result<BTreeMap<Vec<u8>, Version>, RepoError> {
        let paths: Vec<&OsStr> = paths.iter().map(|path| OsStr::from_bytes(path)).collect();
        let mut found = BTreeMap::new();
        for some in paths.chunks(PATHS_A_CALL) {
            let call = self.index_call("ls-files", index).option("--literal-pathspecs");
            let output = self.listed(call.args(["-s", "-z", "--"]).args(some), "ls-files")?;
            found.extend(porcelain::staged(&output));
        }
        Ok(found)
    }

    /// Paths that the work tree has otherwise than the index.
    fn changed_files(&self, index: Option<&IndexLock>) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        let output =
            self.listed(self.index_call("diff-files", index).args(["--name-only", "-z", "--"]), "diff-files")?;
        Ok(output.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }

    fn listed(&self, call: Call<'_>, verb: &'static str) -> Result<Vec<u8>, RepoError> {
        let output = self.to_its_end(call, verb)?;
        if !output.succeeded() || output.cut {
            return Err(RepoError::Program { verb, words: output.stderr });
        }
        Ok(output.stdout)
    }

    fn index_call<'a>(&'a self, verb: &str, index: Option<&'a IndexLock>) -> Call<'a> {
        let mut call = self.bare_call(verb).timeout(Duration::from_mins(10));
        if let Some(tree) = &self.checkout.work_tree {
            call = call.work_tree(tree);
        }
        match index {
            Some(held) => call.env("GIT_INDEX_FILE", held.draft()).holding(Some(held.file())),
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
        let (_, new) = behind(&bench, &mut repo);
        bench.write("logs/a/log", "one\ntwo\n");
        bench.write("logs/a/status.yml", "stat");
        bench.write("seed", "seed\nmore\n");
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
        assert_eq!(bench.head(), new);
    }

    #[test]
    fn what_somebody_has_written_or_staged_there_stays() {
        let bench = Bench::with_remote();
        let dir = bench.clone_dir();
        let mut repo = bench.repo();
        let (_, new) = behind(&bench, &mut repo);
        // The beginning of a file that was there before is somebody's edit, and so is what is staged.
        bench.write("seed", "se");
        assert!(matches!(repo.follow(new).unwrap(), Followed::Skipped(_)));
        assert_eq!(fs::read_to_string(dir.join("seed")).unwrap(), "se");
        bench.git(&dir, &["checkout", "-q", "seed"]);
        bench.write("logs/a/log", "mine");
        bench.git(&dir, &["add", "logs/a/log"]);
        bench.write("logs/a/log", "one\ntwo\n");
        assert!(matches!(repo.follow(new).unwrap(), Followed::Skipped(_)));
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
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
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
