//! What we are about to write in the user's repository, noted, so that what a killed git of ours leaves there can be told from
//! what is theirs.
//!
//! ```text
//! <state>/in-clone     while we write: when that began, and the lock files that were not there then
//! ```
//! A note that is found under the instance lock is of a dispatcher that did not come to its end. Locks that it names and
//! temporary objects that are no older are ours, once nobody has touched them for a while: git leaves them behind when it is
//! killed, and then nobody else ever removes them. Where only git was killed the note stays until the next look. Objects of that time that a power cut has torn would be taken for whole by
//! whoever writes them again. Never touches anything without a note.

use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::checkout::Origin;
use super::{Repo, RepoError, store};
use crate::durable;

/// What nobody has touched for so long is held by nobody: git holds such files for moments.
const QUIET: Duration = Duration::from_secs(2);
/// A git of a killed dispatcher may go on by itself for a while.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far the clocks of a file system and of this process may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(1);

/// While this lives, the note says that we write in the user's repository, and no other thread of ours does.
#[must_use]
pub(super) struct Writing<'repo> {
    note: Option<PathBuf>,
    objects: PathBuf,
    torn: Arc<AtomicBool>,
    _alone: MutexGuard<'repo, ()>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // Git that could not clear away after itself may say nothing of it.
        let leaves = |entry: DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"tmp_objdir-");
        if self.note.is_some() && fs::read_dir(&self.objects).into_iter().flatten().flatten().any(leaves) {
            self.torn.store(true, Ordering::Relaxed);
        }
        if let Some(note) = self.note.as_ref().filter(|_| !self.torn.load(Ordering::Relaxed)) {
            // Where it stays, the next start looks for what is not there.
            let _ = fs::remove_file(note);
        }
    }
}

impl Repo {
    /// A call there was ended by a signal, or may have been: what it left is looked for before the next one, or at the next start.
    pub(super) fn has_torn(&self) {
        self.torn.store(true, Ordering::Relaxed);
    }

    /// To be held for as long as git or we write in the user's repository; never one within another. Where another process of
    /// ours has the note, it counts for both.
    pub(super) fn writing(&self) -> Result<Writing<'_>, RepoError> {
        let alone = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let note = self.state.join(NOTE);
        if self.torn.swap(false, Ordering::Relaxed) {
            self.clear_traces();
        }
        let (objects, torn) = (self.checkout.common_dir.join("objects"), Arc::clone(&self.torn));
        if note.exists() {
            return Ok(Writing { note: None, objects, torn, _alone: alone });
        }
        let mut text = String::new();
        for lock in self.locks().into_iter().filter(|lock| !lock.exists()) {
            text.push_str(&lock.to_string_lossy());
            text.push('\n');
        }
        durable::write_file(&note, text.as_bytes(), 0o600).map_err(|error| RepoError::File {
            operation: "writing",
            path: note.clone(),
            source: std::io::Error::other(error),
        })?;
        Ok(Writing { note: Some(note), objects, torn, _alone: alone })
    }

    /// The locks that git takes for what we do there.
    fn locks(&self) -> Vec<PathBuf> {
        let (own, common) = (&self.checkout.git_dir, &self.checkout.common_dir);
        let branch = &self.settings.branch;
        let mut locks = vec![
            own.join("index.lock"),
            own.join("HEAD.lock"),
            common.join(format!("refs/heads/{branch}.lock")),
            common.join("packed-refs.lock"),
        ];
        locks.extend(self.abreast_leaves());
        if let Origin::Remote { name, .. } = &self.origin {
            locks.push(common.join(format!("refs/remotes/{name}/{branch}.lock")));
        }
        locks
    }

    /// Removes what a dispatcher that was killed has left in the user's repository. For the holder of the instance lock.
    pub(super) fn clear_traces(&self) {
        let note = self.state.join(NOTE);
        let Ok(began) = fs::metadata(&note).and_then(|found| found.modified()) else { return };
        let text = fs::read_to_string(&note).unwrap_or_default();
        let mut left: Vec<PathBuf> = text.lines().map(PathBuf::from).collect();
        temporary(&self.checkout.common_dir.join("objects"), began - CLOCKS_APART, &mut left);
        // The lock of an index that is behind stays until that is brought up.
        left.retain(|path| path.exists() && !self.has_marked(path));
        if !left.is_empty() {
            wait_until_quiet(&mut left);
        }
        let mut all_gone = true;
        for path in left {
            tracing::warn!(
                "removing `{}`, which was left by a git that was killed with the dispatcher",
                path.display()
            );
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::warn!("removing `{}`: {error}", path.display());
                all_gone = false;
            }
        }
        if let Origin::Local = self.origin {
            store::remove_torn_objects(&self.store, &self.checkout.common_dir.join("objects"), began - CLOCKS_APART);
        }
        if all_gone {
            let _ = fs::remove_file(&note);
        }
    }
}

const NOTE: &str = "in-clone";

/// Temporary objects and packs that are no older.
fn temporary(objects: &Path, since: SystemTime, found: &mut Vec<PathBuf>) {
    const HEADS: [&str; 6] = ["tmp_", ".tmp-", "streamed_git2_", "incoming-", "bulk-fsync-", "quarantine-"];
    let folders = fs::read_dir(objects).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|path| path.is_dir()).chain([objects.to_owned()]) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let is_new = entry.metadata().and_then(|found| found.modified()).is_ok_and(|time| time >= since);
            if is_new && HEADS.iter().any(|head| entry.file_name().to_string_lossy().starts_with(head)) {
                found.push(entry.path());
            }
        }
    }
}

/// Keeps those that are there and the same for a while; others are somebody's who is at work.
fn wait_until_quiet(left: &mut Vec<PathBuf>) {
    let look = |left: &[PathBuf]| -> Vec<Option<_>> {
        let mark = |found: Metadata| (found.ino(), found.mtime(), found.mtime_nsec(), found.len());
        left.iter().map(|path| fs::symlink_metadata(path).ok().map(mark)).collect()
    };
    let began = Instant::now();
    let (mut seen, mut since) = (look(left), Instant::now());
    while since.elapsed() < QUIET && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
        let now = look(left);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        if seen.iter().all(Option::is_none) {
            break;
        }
    }
    if since.elapsed() < QUIET {
        left.clear();
    }
    left.retain(|path| path.exists());
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::*;

    #[test]
    fn what_a_killed_git_of_ours_left_is_removed_and_nothing_of_theirs() {
        let bench = Bench::local();
        let git_dir = bench.path("clone/.git");
        let at = |path: &str| git_dir.join(path);
        fs::create_dir_all(at("objects/ab")).unwrap();
        let theirs = [at("index.lock"), at("objects/ab/tmp_obj_theirs")];
        for path in &theirs {
            fs::write(path, "theirs").unwrap();
        }
        let old = SystemTime::now() - Duration::from_mins(5);
        fs::File::options().write(true).open(&theirs[1]).unwrap().set_modified(old).unwrap();
        let repo = bench.repo();
        let writing = repo.writing().unwrap();
        // The last one is an object that a power cut has torn.
        let torn = at("objects/ab/cdefabcdefabcdefabcdefabcdefabcdefabcd");
        let ours = [at("refs/heads/main.lock"), at("objects/ab/tmp_object_git2_ours"), torn];
        for path in &ours {
            fs::write(path, "ours").unwrap();
        }
        let pack = at("objects/tmp_dispatch-1/pack-1.pack");
        fs::create_dir_all(pack.parent().unwrap()).unwrap();
        fs::write(&pack, "ours").unwrap();
        // Killed: the note stays.
        std::mem::forget(writing);
        drop(repo);
        let repo = bench.repo();
        assert!(ours.iter().chain([&pack]).all(|path| !path.exists()), "cleared at the next start");
        assert!(theirs.iter().all(|path| path.exists()));
        fs::write(&ours[0], "theirs now").unwrap();
        drop(repo.writing().unwrap());
        drop(repo);
        drop(bench.repo());
        assert!(ours[0].exists(), "without a note nothing is touched");
    }

    #[test]
    fn where_only_git_was_killed_it_is_removed_before_the_next_call() {
        let bench = Bench::local();
        let repo = bench.repo();
        let left = bench.path("clone/.git/index.lock");
        let writing = repo.writing().unwrap();
        fs::write(&left, "ours").unwrap();
        repo.has_torn();
        drop(writing);
        drop(repo.writing().unwrap());
        assert!(!left.exists());
        assert!(!repo.state.join(NOTE).exists(), "and then there is nothing more to look for");
    }
}
