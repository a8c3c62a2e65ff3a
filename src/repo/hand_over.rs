//! What a commit of ours brought into our own repository, given to the user's clone: the same files under another name, where
//! that can be had, instead of a fetch that makes, sends and checks them once more.
//!
//! A clone whose remote-tracking branch stands at the commit's parent has everything but what is new, and that is known. Its
//! branch moves when what it names is on the disk. Where anything is not as it should be, git fetches as ever.

use std::fs;
use std::path::{Path, PathBuf};

use super::remote::sync_file_system;
use super::{Oid, Repo, RepoError, store};

/// The files of the commit that was built last.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    pub(super) base: Oid,
    pub(super) commit: Oid,
    /// Loose objects, or a pack and then its index.
    pub(super) files: Vec<PathBuf>,
    /// Objects that it names and that were there before.
    pub(super) named: Vec<Oid>,
}

impl Repo {
    pub(super) fn remember(&self, handed: Handed) {
        *self.handed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(handed);
    }

    /// Gives the clone, whose remote-tracking branch `tracking` is at `stands`, what it needs for `new`, and moves that.
    /// False where that cannot be done so.
    pub(super) fn hand_over(&self, tracking: &str, stands: Option<Oid>, new: Oid) -> Result<bool, RepoError> {
        let handed = self.handed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(handed) = handed.filter(|handed| handed.commit == new && Some(handed.base) == stands) else {
            return Ok(false);
        };
        if !self.clone_has(&handed.named) {
            return Ok(false);
        }
        let (ours, theirs) = (self.store.commondir().join("objects"), self.checkout.common_dir.join("objects"));
        // Nothing of ours is synced before: a power cut must not leave the clone an object that is an empty file.
        sync_file_system(&ours)?;
        if !link_all(&ours, &theirs, &handed.files) {
            return Ok(false);
        }
        sync_file_system(&theirs)?;
        let (before, new) = (handed.base.to_string(), new.to_string());
        let call = self.bare_call("update-ref").args(["-m", "dispatch: follow", tracking, &new, &before]);
        Ok(self.users(call)?.0)
    }

    fn clone_has(&self, named: &[Oid]) -> bool {
        let Ok(clone) = git2::Repository::open(&self.checkout.git_dir) else { return false };
        clone.odb().is_ok_and(|objects| named.iter().all(|oid| objects.exists(oid.0)))
    }
}

/// Gives each file its name in the other store; false where one of them could not get it.
fn link_all(ours: &Path, theirs: &Path, files: &[PathBuf]) -> bool {
    let is_packed = files.iter().any(|file| file.extension().is_some());
    if is_packed && store::packs(theirs) >= store::PACKS_MAX {
        return false;
    }
    files.iter().all(|file| {
        let Some(place) = file.strip_prefix(ours).ok().map(|below| theirs.join(below)) else { return false };
        // Both are made where they are missing, as git does.
        let _ = place.parent().map(fs::create_dir);
        match fs::hard_link(file, &place) {
            Err(error) => error.kind() == std::io::ErrorKind::AlreadyExists,
            Ok(()) => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, Followed, Write};
    use super::*;

    /// A commit of so many files, pushed.
    fn publish(repo: &Repo, base: Oid, folder: &str, files: usize) -> Oid {
        let file =
            |number| Write::file(format!("{folder}/{number}"), Content::Bytes(format!("{folder}{number}").into()));
        let changeset = Changeset { removals: vec![], writes: (0..files).map(file).collect() };
        let built = repo.commit_on(Some(base), &changeset, "records", &tester(), &tester(), 1_700_000_000).unwrap();
        repo.push(Some(base), built.commit).unwrap();
        built.commit
    }

    fn is_shared(repo: &Repo, commit: Oid) -> bool {
        let loose = store::loose_file(&repo.checkout.common_dir.join("objects"), commit);
        fs::metadata(loose).is_ok_and(|found| found.nlink() == 2)
    }

    #[test]
    fn a_clone_at_the_parent_gets_our_files_and_any_other_fetches() {
        let bench = Bench::with_remote();
        let dir = bench.clone_dir();
        bench.git(&dir, &["fetch", "-q", "origin"]);
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let check = |tip: Oid| {
            assert_eq!(bench.git(&dir, &["rev-parse", "origin/main"]), tip.to_string());
            assert_eq!(bench.git(&dir, &["status", "--porcelain"]), "");
            bench.git(&dir, &["fsck", "--strict"]);
        };
        let one = publish(&repo, tip, "a", 3);
        assert_eq!(repo.reopen(crate::patience::Patience::default()).unwrap().follow(one).unwrap(), Followed::Followed);
        assert!(is_shared(&repo, one), "another handle knows of it");
        check(one);
        let theirs = repo.checkout.common_dir.join("objects");
        let packs = store::packs(&theirs);
        let two = publish(&repo, one, "b", 200);
        assert_eq!(repo.follow(two).unwrap(), Followed::Followed);
        assert_eq!(store::packs(&theirs), packs + 1);
        assert_eq!(
            fs::read_dir(theirs.join("pack"))
                .unwrap()
                .filter(|file| file.as_ref().unwrap().metadata().unwrap().nlink() == 2)
                .count(),
            2
        );
        check(two);
        // Two commits at once: the clone is not at the parent of the last one.
        let four = publish(&repo, publish(&repo, two, "c", 3), "d", 3);
        assert_eq!(repo.follow(four).unwrap(), Followed::Followed);
        assert!(!is_shared(&repo, four));
        check(four);
        // One of the files is gone, as where our own copy was packed meanwhile.
        let five = publish(&repo, four, "e", 3);
        fs::rename(store::loose_file(&repo.store.path().join("objects"), five), bench.path("kept")).unwrap();
        assert!(!repo.hand_over("refs/remotes/origin/main", Some(four), five).unwrap());
        assert_eq!(bench.git(&dir, &["rev-parse", "origin/main"]), four.to_string(), "nothing names what is not there");
    }

    #[test]
    fn a_clone_that_lacks_what_was_only_named_fetches() {
        let bench = Bench::with_remote();
        let dir = bench.clone_dir();
        bench.git(&dir, &["fetch", "-q", "origin"]);
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        // As a request that was taken from a work tree, or written again from the spool.
        let named = repo.write_blob(b"kind: x\n").unwrap();
        let changeset =
            Changeset { removals: vec![], writes: vec![Write::file("processed/a.yml", Content::Object(named))] };
        let new = repo.commit_on(Some(tip), &changeset, "record", &tester(), &tester(), 0).unwrap().commit;
        repo.push(Some(tip), new).unwrap();
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        bench.git(&dir, &["fsck", "--strict"]);
        assert_eq!(fs::read_to_string(dir.join("processed/a.yml")).unwrap(), "kind: x\n");
    }
}
