//! Without a remote: branch, index and work tree, moved while nobody else can have the index.
//!
//! Behind a branch that has moved, `git commit` of an index that has not would take back what the branch gained. Git reads
//! where the branch is, then the index, then takes the lock of the index, and at the end moves the branch from where it was
//! by compare-and-swap. So the lock is held over the whole move, and the index moves before the branch: whoever saw the new
//! branch sees the new index, and whoever saw the old one fails. Where the branch turns out to have moved otherwise, index
//! and files go back.
//!
//! ```text
//! <state>/worktree-at     while they move, and where they are apart: the commit that they came from, and where to
//! ```
//! Where the move was cut off (a crash, git alone killed, a full disk) the lock stays and nobody commits, until the index
//! stands where the branch does: what the lock says names us, and that nobody holds it any more is told by `flock`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::checkout::Origin;
use super::move_files::EMPTY_TREE;
use super::remote::PushError;
use super::{Followed, Oid, PushClass, Repo, RepoError};
use crate::durable;

/// How long another git may have the index: most take moments, one with an editor open takes longer than anybody waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What git leaves in its folder while something of a person's is under way.
const UNFINISHED: [(&str, &str); 3] =
    [("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")];

/// Git's lock of the index, ours while this lives.
#[derive(Debug)]
pub(super) struct IndexLock {
    /// Under `flock`, and shared with every git that works under it: who finds our mark in a lock that nobody holds has found
    /// one that was left behind, and nothing of it goes on.
    file: File,
    lock: PathBuf,
    index: PathBuf,
    stays: bool,
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

impl IndexLock {
    /// Where the new index is made.
    pub(super) fn draft(&self) -> PathBuf {
        self.index.with_file_name(DRAFT)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Leaves the lock where it is, for whoever finishes what was begun.
    fn stay(mut self) {
        self.stays = true;
    }
}

/// Git's `read-tree` locks what it writes: it gets a copy, which then takes the index's place.
const DRAFT: &str = "index.dispatch";

/// A move of index and files that has begun.
struct Move {
    /// Where they stood; none: on a branch without a commit.
    from: Option<Oid>,
    to: Option<Oid>,
}

/// Stands for no commit in the note.
const UNBORN: &str = "unborn";

impl Repo {
    /// Takes the index of a work tree that is on the branch; `None` where there is none.
    ///
    /// # Errors
    /// Words for people, where another git has it.
    fn hold_index(&self) -> Result<Option<IndexLock>, String> {
        if self.why_not_on_branch().map_err(|error| error.to_string())?.is_some() {
            return Ok(None);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Behind one that was left nobody has begun anything.
            if let Some(left) = self.take_over() {
                return Ok(Some(left));
            }
            // The commit that ends one takes the index as it is now, and would take the record back.
            for (mark, what) in UNFINISHED {
                if self.checkout.git_dir.join(mark).exists() {
                    return Err(format!("a {what} is under way in the work tree: records wait until it has ended"));
                }
            }
            let lock = self.index_lock();
            match self.make_lock() {
                Ok(held) => return Ok(Some(held)),
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

    fn make_lock(&self) -> io::Result<IndexLock> {
        let lock = self.index_lock();
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&lock)?;
        let marked = file.lock().and_then(|()| file.write_all(self.mark().as_bytes())).and_then(|()| file.sync_all());
        let held = IndexLock { file, lock, index: self.checkout.git_dir.join("index"), stays: false };
        marked.map(|()| held)
    }

    /// The lock of the index, where it is one of ours and whoever held it is gone.
    fn take_over(&self) -> Option<IndexLock> {
        let lock = self.index_lock();
        let file = File::open(&lock).ok()?;
        file.try_lock().ok()?;
        let mark = self.mark();
        let mut says = String::new();
        (&file).take(mark.len() as u64 + 1).read_to_string(&mut says).ok()?;
        let which = |found: fs::Metadata| (found.dev(), found.ino());
        // Whoever held it may have given it back meanwhile, and another git have its own there.
        let is_there = fs::symlink_metadata(&lock).map(which).ok() == file.metadata().map(which).ok();
        let index = self.checkout.git_dir.join("index");
        (says == mark && is_there).then(|| IndexLock { file, lock, index, stays: false })
    }

    /// Gives back what a dispatcher that is gone has left locked, unless the work tree is behind: then whoever brings it up
    /// does that.
    pub(super) fn give_back_index(&self) {
        if let Origin::Local = self.origin
            && let Some(left) = self.take_over()
            && self.is_behind()
        {
            left.stay();
        }
    }

    /// Whether the lock of the index is one that a dispatcher of this state folder has made.
    pub(super) fn has_marked(&self, lock: &std::path::Path) -> bool {
        lock == self.index_lock() && fs::read(lock).is_ok_and(|says| says == self.mark().as_bytes())
    }

    fn index_lock(&self) -> PathBuf {
        self.checkout.git_dir.join("index.lock")
    }

    fn mark(&self) -> String {
        format!("dispatch, with the state folder {}\n", self.state.display())
    }

    /// Moves the branch from `base` to `commit`, and index and files with it where a work tree is on it.
    pub(super) fn move_abreast(&self, base: Option<Oid>, commit: Oid) -> Result<(), PushError> {
        let failed = |error: RepoError| self.push_error(PushClass::Other, error.to_string());
        let _writing = self.writing().map_err(failed)?;
        let Some(held) = self.hold_index().map_err(|words| self.push_error(PushClass::Busy, words))? else {
            return self.move_branch(base, commit, None);
        };
        let moved = self.move_held(&held, base, commit);
        if self.is_behind() {
            held.stay();
        }
        moved
    }

    fn move_held(&self, held: &IndexLock, base: Option<Oid>, commit: Oid) -> Result<(), PushError> {
        let failed = |error: RepoError| self.push_error(PushClass::Other, error.to_string());
        let tip = self.tip_of_branch().map_err(failed)?;
        self.finish_move(held, tip).map_err(failed)?;
        if tip != base {
            return Err(self.push_error(PushClass::LostRace, "the branch has moved".to_owned()));
        }
        self.note_move(base, commit).map_err(failed)?;
        if let Some(words) = self.move_index(held, |held| self.move_files(Some(held), base, commit)).map_err(failed)? {
            tracing::warn!("{words}");
        }
        let moved = self.move_branch(base, commit, Some(held));
        if moved.is_err() {
            self.finish_move(held, self.tip_of_branch().map_err(failed)?).map_err(failed)?;
        } else {
            self.drop_note();
        }
        moved
    }

    /// Brings index and files to `tip` from wherever a move that was cut off, or went elsewhere than the branch, has left them.
    fn finish_move(&self, held: &IndexLock, tip: Option<Oid>) -> Result<(), RepoError> {
        let Some(noted) = self.noted_move() else { return Ok(()) };
        let tip = tip.map_or_else(|| EMPTY_TREE.parse(), Ok)?;
        let known: Vec<Option<Oid>> = std::iter::once(noted.from).chain(noted.to.map(Some)).collect();
        let finished = self.move_index(held, |held| {
            Ok((!self.move_paths(Some(held), &known, tip)?).then(|| "the work tree was left behind".to_owned()))
        });
        if let Some(words) = finished? {
            tracing::warn!("{words}: `git status` shows what differs, `git reset` or a checkout brings it up");
        }
        self.drop_note();
        Ok(())
    }

    /// Brings the work tree to where the branch is, after a crash or where a move has met a fault.
    pub(super) fn follow_abreast(&self) -> Result<Followed, RepoError> {
        if let Some(reason) = self.why_not_on_branch()? {
            drop(self.take_over());
            return Ok(Followed::Skipped(reason));
        }
        if !self.is_behind() {
            return Ok(Followed::Followed);
        }
        let held = match self.hold_index() {
            Ok(Some(held)) => held,
            Ok(None) => return Ok(Followed::Skipped("the work tree is on another branch now".to_owned())),
            Err(words) => return Ok(Followed::Skipped(words)),
        };
        let finished = self.tip_of_branch().and_then(|tip| self.finish_move(&held, tip));
        if finished.is_err() {
            held.stay();
        }
        finished.map(|()| Followed::Followed)
    }

    /// Moves files and a draft of the index, which then takes the index's place; the words where that cannot be.
    fn move_index(
        &self,
        held: &IndexLock,
        moving: impl FnOnce(&IndexLock) -> Result<Option<String>, RepoError>,
    ) -> Result<Option<String>, RepoError> {
        let draft = held.draft();
        let failed = |operation| RepoError::file(operation, &draft);
        // What a git that was killed has left of an earlier one.
        for left in self.abreast_leaves() {
            let _ = fs::remove_file(left);
        }
        if held.index.exists() {
            fs::copy(&held.index, &draft).map_err(failed("copying the index to"))?;
        }
        if let Some(words) = moving(held)? {
            let _ = fs::remove_file(&draft);
            return Ok(Some(words));
        }
        self.sync_files()?;
        fs::rename(&draft, &held.index).map_err(failed("moving into place"))?;
        File::open(&self.checkout.git_dir).and_then(|dir| dir.sync_all()).map_err(failed("syncing the folder of"))?;
        Ok(None)
    }

    fn tip_of_branch(&self) -> Result<Option<Oid>, RepoError> {
        match self.store.refname_to_id(&self.branch_ref()) {
            Ok(tip) => Ok(Some(Oid(tip))),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(RepoError::object("reading the branch")(error)),
        }
    }

    /// True where branch and work tree were being moved, or are apart, as after a crash.
    pub fn is_behind(&self) -> bool {
        self.noted_move().is_some()
    }

    fn note_move(&self, from: Option<Oid>, to: Oid) -> Result<(), RepoError> {
        let from = from.map_or_else(|| UNBORN.to_owned(), |from| from.to_string());
        let file = self.note_file();
        durable::write_file(&file, format!("{from}\n{to}\n").as_bytes(), 0o600)
            .map_err(|error| RepoError::file("writing", &file)(io::Error::other(error)))
    }

    fn noted_move(&self) -> Option<Move> {
        let text = fs::read_to_string(self.note_file()).ok()?;
        let mut lines = text.lines();
        let first = lines.next()?;
        let from = if first == UNBORN { None } else { Some(first.parse().ok().filter(|oid| self.has(*oid))?) };
        let to = lines.next().and_then(|line| line.parse().ok()).filter(|oid| self.has(*oid));
        Some(Move { from, to })
    }

    fn drop_note(&self) {
        // A note that stays makes the next start look at the work tree once more, which is harmless.
        let _ = fs::remove_file(self.note_file());
    }

    fn note_file(&self) -> PathBuf {
        self.state.join("worktree-at")
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
    use super::super::{Changeset, Content, Removal, Write};
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
    fn commits(bench: &Bench) -> bool {
        let git = |args: &[&str]| std::process::Command::new("git").args(args).current_dir(bench.clone_dir()).output();
        let committed = git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"]);
        committed.unwrap().status.success()
    }

    #[test]
    fn a_move_that_was_cut_off_keeps_the_index_locked_until_it_is_finished() {
        let bench = Bench::local();
        bench.write("requests/a.yml", "one");
        bench.commit("request");
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let new = record(&repo, tip);
        // Nothing can be written where the draft is to be.
        let obstacle = bench.path("clone/.git/index.dispatch");
        fs::create_dir(&obstacle).unwrap();
        repo.push(Some(tip), new).unwrap_err();
        assert_eq!(bench.head(), tip);
        assert!(!commits(&bench), "index and files may be anywhere");
        // Whoever starts next leaves it locked too: only what brings the work tree up knows when it is.
        drop(repo);
        let repo = bench.repo();
        assert!(!commits(&bench));
        fs::remove_dir(&obstacle).unwrap();
        assert_eq!(repo.follow(tip).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
        assert!(commits(&bench));
    }

    #[test]
    fn wherever_it_was_cut_off_index_and_files_end_where_the_branch_is() {
        // Cut off before the index moved, behind that, and behind the branch; the branch may have gone elsewhere meanwhile.
        for cut in ["", "files", "index", "index branch", "index elsewhere", "files elsewhere", "elsewhere"] {
            let [files_moved, index_moved, branch_moved, elsewhere] =
                ["files", "index", "branch", "elsewhere"].map(|word| cut.split(' ').any(|part| part == word));
            let bench = Bench::local();
            bench.write("requests/a.yml", "one");
            bench.commit("request");
            let mut repo = bench.repo();
            let tip = repo.fetch().unwrap().commit;
            let new = record(&repo, tip);
            let held = repo.hold_index().unwrap().unwrap();
            repo.note_move(Some(tip), new).unwrap();
            if index_moved {
                let moved = repo.move_index(&held, |held| repo.move_files(Some(held), Some(tip), new));
                assert_eq!(moved.unwrap(), None);
            }
            if files_moved {
                // The new file is torn.
                bench.write("processed/a.yml", "o");
                fs::remove_dir_all(bench.path("clone/requests")).unwrap();
            }
            if branch_moved {
                repo.move_branch(Some(tip), new, Some(&held)).unwrap();
            }
            if elsewhere {
                let (more, author) = (Write::file("theirs", Content::Bytes(b"x".to_vec())), tester());
                let changeset = Changeset { removals: vec![], writes: vec![more] };
                let theirs = repo.commit_on(Some(tip), &changeset, "theirs", &author, &author, 0).unwrap().commit;
                repo.move_branch(Some(tip), theirs, None).unwrap();
            }
            held.stay();
            drop(repo);
            let repo = bench.repo();
            assert!(!commits(&bench));
            let tip = bench.head();
            assert_eq!(repo.follow(tip).unwrap(), Followed::Followed);
            assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "", "{cut}");
            assert!(commits(&bench) && !repo.is_behind(), "{cut}");
        }
    }

    #[test]
    fn where_the_branch_has_moved_meanwhile_index_and_files_go_back() {
        let bench = Bench::local();
        bench.write("requests/a.yml", "one");
        bench.commit("request");
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let new = record(&repo, tip);
        // The branch cannot be moved.
        let lock = bench.path("clone/.git/refs/heads/main.lock");
        fs::write(&lock, "").unwrap();
        assert_eq!(repo.push(Some(tip), new).unwrap_err().class, PushClass::LostRace);
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
        assert!(bench.path("clone/requests/a.yml").exists());
        fs::remove_file(&lock).unwrap();
        repo.push(Some(tip), new).unwrap();
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
        assert!(!bench.path("clone/requests/a.yml").exists());
    }

    #[test]
    fn a_lock_of_ours_is_taken_over_from_the_dead_only() {
        let bench = Bench::local();
        let repo = bench.repo();
        let lock = bench.path("clone/.git/index.lock");
        let held = repo.make_lock().unwrap();
        assert!(repo.take_over().is_none(), "its holder lives");
        let shared = held.file().try_clone().unwrap();
        let mut git = std::process::Command::new("sleep").arg("60").stdin(shared).spawn().unwrap();
        held.stay();
        assert!(lock.exists());
        assert!(repo.take_over().is_none(), "a git that it started lives");
        git.kill().unwrap();
        git.wait().unwrap();
        drop(repo.take_over().unwrap());
        assert!(!lock.exists());
        fs::write(&lock, "").unwrap();
        assert!(repo.take_over().is_none(), "another git's");
        fs::remove_file(&lock).unwrap();
        repo.make_lock().unwrap().stay();
        drop(repo);
        drop(bench.repo());
        assert!(!lock.exists(), "nothing is behind: given back at the next start");
        let repo = bench.repo();
        repo.make_lock().unwrap().stay();
        bench.git(&bench.clone_dir(), &["symbolic-ref", "HEAD", "refs/heads/side"]);
        assert!(matches!(repo.follow(repo.resolve("main").unwrap()).unwrap(), Followed::Skipped(_)));
        assert!(!lock.exists(), "and where nothing follows");
    }
}
