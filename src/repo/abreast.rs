//! Without a remote: branch, index and work tree, moved while nobody else can have the index.
//!
//! Behind a branch that has moved, `git commit` of an index that has not would take back what the branch gained. Whoever
//! commits needs git's lock of the index after having read where the branch is, and moves the branch from there by
//! compare-and-swap; so whoever holds that lock over the move and the new index meets only commits that fail or that know
//! both. After a crash the lock stays, and nobody commits, until the next start clears it (`traces`).
//!
//! Not covered: where git alone is killed in the move, or between that clearing and the bringing up of the work tree, the lock
//! is given back with an index that is behind.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::checkout::Origin;
use super::remote::sync_file_system;
use super::{Oid, Repo, RepoError};

/// How long another git may have the index: most take moments, one with an editor open takes longer than anybody waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What git leaves in its folder while something of a person's is under way.
const UNFINISHED: [(&str, &str); 3] =
    [("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")];

/// Git's lock of the index, ours while this lives.
#[derive(Debug)]
pub(super) struct IndexLock {
    lock: PathBuf,
    index: PathBuf,
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.lock);
    }
}

impl IndexLock {
    /// Where the new index is made.
    fn draft(&self) -> PathBuf {
        self.index.with_file_name(DRAFT)
    }
}

/// Git's `read-tree` locks what it writes: it gets a copy, which then takes the index's place.
const DRAFT: &str = "index.dispatch";

impl Repo {
    /// Takes the index of a work tree that is on the branch; `None` where there is none.
    ///
    /// # Errors
    /// Words for people, where another git has it.
    pub(super) fn hold_index(&self) -> Result<Option<IndexLock>, String> {
        let follows = self.follows().map_err(|error| error.to_string())?;
        if !follows || !matches!(self.origin, Origin::Local) {
            return Ok(None);
        }
        // The commit that ends one takes the index as it is now, and would take the record back.
        for (mark, what) in UNFINISHED {
            if self.checkout.git_dir.join(mark).exists() {
                return Err(format!("a {what} is under way in the work tree: records wait until it has ended"));
            }
        }
        let index = self.checkout.git_dir.join("index");
        let lock = self.checkout.git_dir.join("index.lock");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fs::OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => return Ok(Some(IndexLock { lock, index })),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(format!(
                        "git is at work in the work tree: `{}` is there. Records wait until it has ended; delete the file if nothing runs",
                        lock.display()
                    ));
                }
                Err(error) => return Err(format!("locking the index with `{}`: {error}", lock.display())),
            }
        }
    }

    /// Brings index and files from `old` to `new`, where nothing of the user's is in the way: `follow` says what was.
    pub(super) fn move_abreast(&self, held: &IndexLock, old: Option<Oid>, new: Oid) -> Result<(), RepoError> {
        let draft = held.draft();
        let failed = |operation| RepoError::file(operation, &draft);
        if held.index.exists() {
            fs::copy(&held.index, &draft).map_err(failed("copying the index to"))?;
        }
        if self.move_files_by(Some(&draft), old, new)?.is_some() {
            let _ = fs::remove_file(&draft);
            return Ok(());
        }
        // The files too, before anything says that they stand there.
        if let Some(tree) = &self.checkout.work_tree {
            sync_file_system(tree)?;
        }
        fs::rename(&draft, &held.index).map_err(failed("moving into place"))?;
        self.note_where_it_stands(new)
    }

    /// What a git that is killed here leaves besides its usual locks.
    pub(super) fn abreast_leaves(&self) -> [PathBuf; 2] {
        let draft = self.checkout.git_dir.join(DRAFT);
        [self.checkout.git_dir.join(format!("{DRAFT}.lock")), draft]
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, PushClass, Removal, Write};
    use super::*;

    fn record(repo: &Repo, tip: Oid) -> Oid {
        let oid = repo.entry_at(tip, "requests/a.yml").unwrap().unwrap().oid;
        let changeset = Changeset {
            writes: vec![Write {
                path: b"processed/a.yml".to_vec(),
                content: Content::Object(oid),
                mode: super::super::MODE_FILE,
            }],
            removals: vec![Removal { path: b"requests/a.yml".to_vec(), oid }],
        };
        let message = "record";
        repo.commit_on(Some(tip), &changeset, message, &tester(), &tester(), 1_700_000_000).unwrap().commit
    }

    #[test]
    fn a_commit_of_somebody_behind_the_move_takes_nothing_back() {
        let bench = Bench::local();
        bench.write("requests/a.yml", "one");
        bench.commit("request");
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let new = record(&repo, tip);
        bench.write("mine", "staged before");
        bench.git(&bench.clone_dir(), &["add", "mine"]);
        repo.push(Some(tip), new).unwrap();
        // The dispatcher has not followed yet.
        bench.git(&bench.clone_dir(), &["commit", "-qm", "mine"]);
        let names = bench.git(&bench.clone_dir(), &["ls-tree", "-r", "--name-only", "HEAD"]);
        assert!(names.contains("processed/a.yml") && !names.contains("requests/a.yml"), "{names}");
        assert!(names.contains("mine"), "{names}");
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
    }

    #[test]
    fn nothing_moves_while_another_git_has_the_index() {
        let bench = Bench::local();
        bench.write("requests/a.yml", "one");
        bench.commit("request");
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let new = record(&repo, tip);
        let theirs = bench.path("clone/.git/index.lock");
        fs::write(&theirs, "").unwrap();
        let refused = repo.push(Some(tip), new).unwrap_err();
        assert_eq!(refused.class, PushClass::Busy);
        assert!(refused.words.contains("index.lock"), "{}", refused.words);
        assert_eq!(bench.head(), tip);
        assert!(theirs.exists(), "it is theirs");
        fs::remove_file(&theirs).unwrap();
        let merging = bench.path("clone/.git/MERGE_HEAD");
        fs::write(&merging, format!("{tip}\n")).unwrap();
        assert!(repo.push(Some(tip), new).unwrap_err().words.contains("a merge is under way"));
        fs::remove_file(&merging).unwrap();
        repo.push(Some(tip), new).unwrap();
        assert_eq!(bench.head(), new);
        assert!(!theirs.exists(), "and ours is gone");
    }
}
