//! The object store on disk: our own bare repository in the state folder, or the user's.
//!
//! Owns creating, checking, clearing and packing of `<state>/repo.git`, which is a cache. Objects
//! there are not synced: after a reboot what a power cut has torn is removed, the connectivity is checked
//! once, and where that is bad it is made anew. The user's repository is only opened.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::git::Git;
use super::{Checkout, Oid, RepoError, fresh};
use crate::planted::{self, Bug};

/// Where what we fetched is kept in our own repository; also the server's answer to the last push.
const FETCHED: &str = "refs/dispatch-fetch/heads/";

/// What all refs begin with that are kept there.
pub(super) const FETCHED_ALL: &str = "refs/dispatch-fetch/";

/// Where the refs below `refs/dispatch/` of the remote are kept in our own repository, as they were last fetched.
pub(super) const FETCHED_CLAIMS: &str = "refs/dispatch-fetch/dispatch/";

/// Loose objects in our own repository above which it is worth a pack.
const LOOSE_OBJECTS_MAX: usize = 4_000;

/// Packs above which they are worth rolling up: a checked fetch always keeps its pack, and a large batch of records is one.
pub(super) const PACKS_MAX: usize = 40;

/// The same within a pass that never comes to rest: a batch that finds [`PACKS_MAX`] of them is written loose.
pub(super) const PACKS_BETWEEN: usize = 30;

/// The file that names the boot under which our own repository was last known to be whole.
const BOOT_MARK: &str = "dispatch-boot";

/// The ref that holds a branch's tip in our own repository.
pub(super) fn fetched_ref(branch: &str) -> String {
    format!("{FETCHED}{branch}")
}

/// Opens the user's repository as the object store.
pub(super) fn open_users(checkout: &Checkout) -> Result<git2::Repository, RepoError> {
    git2::Repository::open(&checkout.git_dir).map_err(|error| match error.code() {
        git2::ErrorCode::Owner => RepoError::OtherOwner { dir: checkout.git_dir.display().to_string() },
        _ => RepoError::Unusable {
            what: format!("`{}` cannot be used without a remote: {}", checkout.git_dir.display(), error.message()),
        },
    })
}

/// Opens our own repository and makes it where it is missing. `alone` is true under the instance
/// lock: then leftovers are cleared, and what is broken is made anew.
pub(super) fn open_own(git: &Git, state: &Path, branch: &str, alone: bool) -> Result<git2::Repository, RepoError> {
    let dir = own_dir(state);
    let store = match git2::Repository::open_bare(&dir) {
        Ok(store) => store,
        Err(_) if alone || !dir.exists() => return recreate_own(state),
        Err(error) => return Err(RepoError::object(format!("opening `{}`", dir.display()))(error)),
    };
    if !alone {
        return Ok(store);
    }
    if !planted::is(Bug::LitterStays) {
        clear_leftovers(&dir);
    }
    let boot = boot_id();
    let mark = dir.join(BOOT_MARK);
    if std::fs::read_to_string(&mark).is_ok_and(|known| known == boot) {
        return Ok(store);
    }
    clear_torn(&store, &dir);
    let name = fetched_ref(branch);
    if store.refname_to_id(&name).is_ok() {
        let walk = git
            .call("rev-list")
            .git_dir(&dir)
            .args(["--objects", "--quiet", &name])
            .timeout(Duration::from_mins(10))
            .run()?;
        if !walk.succeeded() {
            tracing::warn!(words = walk.stderr, "the object cache is not whole after a reboot: it is fetched anew");
            return recreate_own(state);
        }
    }
    std::fs::write(&mark, boot).map_err(RepoError::file("writing", &mark))?;
    Ok(store)
}

/// Has the next start look through all of it.
pub(super) fn doubt(dir: &Path) {
    let _ = std::fs::remove_file(dir.join(BOOT_MARK));
}

/// Deletes our own repository and makes an empty one in its place.
pub(super) fn recreate_own(state: &Path) -> Result<git2::Repository, RepoError> {
    let dir = own_dir(state);
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RepoError::file("clearing", &dir)(error));
        }
        _ => {}
    }
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("dispatch-none");
    let store = git2::Repository::init_opts(&dir, &options)
        .map_err(RepoError::object(format!("making `{}`", dir.display())))?;
    let mark = dir.join(BOOT_MARK);
    std::fs::write(&mark, boot_id()).map_err(RepoError::file("writing", &mark))?;
    Ok(store)
}

/// Packs our own repository where it is worth it.
pub(super) fn tidy(git: &Git, dir: &Path) -> Result<bool, RepoError> {
    let loose: usize = folders(&dir.join("objects"))
        .filter(|path| path.file_name().is_some_and(|name| name.len() == 2))
        .map(|path| std::fs::read_dir(path).map_or(0, Iterator::count))
        .sum();
    if loose < LOOSE_OBJECTS_MAX {
        return roll_up(git, dir, PACKS_MAX);
    }
    repack(git, dir).map(|()| true)
}

/// Rolls small packs up into larger ones, where there are so many. Nothing is lost to whoever reads or adds objects meanwhile: what
/// was found in a pack that is gone is looked for anew.
pub(super) fn roll_up(git: &Git, dir: &Path, packs_max: usize) -> Result<bool, RepoError> {
    if packs(&dir.join("objects")) < packs_max {
        return Ok(false);
    }
    repack(git, dir).map(|()| true)
}

fn repack(git: &Git, dir: &Path) -> Result<(), RepoError> {
    let packed = git
        .call("repack")
        .abandonable()
        .git_dir(dir)
        .args(["-d", "-l", "-q", "--geometric=2"])
        .timeout(Duration::from_mins(30))
        .run()?;
    if packed.succeeded() { Ok(()) } else { Err(RepoError::Program { verb: "repack", words: packed.stderr }) }
}

/// Where a loose object lies.
pub(super) fn loose_file(objects: &Path, oid: Oid) -> PathBuf {
    let name = oid.to_string();
    objects.join(&name[..2]).join(&name[2..])
}

/// How many packs there are.
pub(super) fn packs(objects: &Path) -> usize {
    let is_pack = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "pack");
    std::fs::read_dir(objects.join("pack")).map_or(0, |entries| entries.flatten().filter(is_pack).count())
}

/// This boot, by the kernel's name for it; what was written under another may be lost in part.
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

/// A file that our own copy of the repository has, for who only reads: the user's clone may be behind it.
pub fn cached_file(state: &Path, blob: &str) -> Option<Vec<u8>> {
    let store = open_to_look(state)?;
    let blob = store.find_blob(git2::Oid::from_str(blob).ok()?).ok()?;
    Some(blob.content().to_vec())
}

/// The branch as our own copy of the repository has fetched it last, for who only reads.
pub(super) fn fetched_tip(state: &Path, branch: &str) -> Option<Oid> {
    open_to_look(state)?.refname_to_id(&fetched_ref(branch)).ok().map(Oid)
}

/// Our own copy of the repository, for who only reads.
pub(super) fn open_to_look(state: &Path) -> Option<git2::Repository> {
    git2::Repository::open_bare(own_dir(state)).ok()
}

/// Has a handle find in our own repository what its own lacks. Nothing of it is written down.
pub(super) fn read_also(store: &git2::Repository, state: &Path) {
    let objects = own_dir(state).join("objects");
    let added = || store.odb()?.add_disk_alternate(objects.to_str().unwrap_or_default());
    if objects.is_dir()
        && let Err(error) = added()
    {
        tracing::debug!(%error, "our own copy of the repository is not read");
    }
}

fn own_dir(state: &Path) -> PathBuf {
    state.join("repo.git")
}

/// Removes locks and temporary objects that a killed process left. The instance lock of the state
/// folder is held, so nobody else is at work here.
fn clear_leftovers(dir: &Path) {
    let mut open = vec![(dir.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            let in_objects = path.starts_with(dir.join("objects"));
            if kind.is_dir() {
                if in_objects && ["tmp_objdir", "incoming-", fresh::DRAFT].iter().any(|start| name.starts_with(start)) {
                    let _ = std::fs::remove_dir_all(&path);
                } else if depth < 8 {
                    open.push((path, depth + 1));
                }
            } else if name.ends_with(".lock")
                || (in_objects && ["tmp_", ".tmp-", "streamed_git2_"].iter().any(|start| name.starts_with(start)))
            {
                // What cannot be removed is met again by git, which names it.
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

/// Removes loose objects and refs that cannot be read: a power cut may leave a file without its content, and whoever writes
/// or fetches the object again finds it there and lets it be. A loose object is never needed: it can be had again.
fn clear_torn(store: &git2::Repository, dir: &Path) {
    remove_torn_objects(store, &dir.join("objects"), SystemTime::UNIX_EPOCH);
    let mut open = vec![dir.join("refs")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if !std::fs::read_to_string(&path).is_ok_and(|text| text.trim_end().parse::<Oid>().is_ok()) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Removes loose objects that cannot be read and are no older than this.
pub(super) fn remove_torn_objects(store: &git2::Repository, objects: &Path, since: SystemTime) {
    let Ok(odb) = store.odb() else { return };
    for (oid, file) in loose_objects(objects) {
        let is_new = || std::fs::metadata(&file).and_then(|found| found.modified()).is_ok_and(|time| time >= since);
        // Read whole and hashed, which `exists` is not.
        if is_new() && odb.read(oid).is_err() {
            tracing::warn!("an object was torn by a power cut and is removed: {oid}");
            let _ = std::fs::remove_file(file);
        }
    }
}

fn loose_objects(objects: &Path) -> impl Iterator<Item = (git2::Oid, PathBuf)> {
    let fans = folders(objects).filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)));
    fans.filter(|(fan, _)| fan.len() == 2).flat_map(|(fan, folder)| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter_map(move |file| {
            let name = format!("{fan}{}", file.file_name().to_str()?);
            Some((name.parse::<Oid>().ok()?.0, file.path()))
        })
    })
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, Write};
    use super::*;

    #[test]
    fn many_packs_are_rolled_up_and_everything_is_still_there() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        assert!(!repo.tidy().unwrap());
        let packs = bench.path("state/repo.git/objects/pack");
        for n in 0..PACKS_MAX {
            bench.write("n", &n.to_string());
            bench.commit("n");
            bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
            repo.fetch().unwrap();
        }
        let tip = repo.fetch().unwrap().commit;
        assert!(repo.tidy().unwrap());
        assert!(std::fs::read_dir(packs).unwrap().count() < PACKS_MAX);
        let mut after = repo.reopen(crate::patience::Patience::default()).unwrap();
        assert_eq!(after.fetch().unwrap().commit, tip);
        assert!(after.blob_at(tip, "n", 9).unwrap().is_some());
        assert!(repo.blob_at(tip, "seed", 9).unwrap().is_some(), "a handle from before reads on");
    }

    #[test]
    fn packs_of_a_long_pass_are_rolled_up_under_the_eyes_of_others() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let mut tip = repo.fetch().unwrap().commit;
        let other = repo.reopen(crate::patience::Patience::default()).unwrap();
        let objects = repo.store.path().join("objects");
        while packs(&objects) < PACKS_BETWEEN {
            assert!(!repo.tidy_between().unwrap());
            let file = |number| Write::file(format!("{tip}/{number}"), Content::Bytes(format!("{tip}{number}").into()));
            let changeset = Changeset { removals: vec![], writes: (0..200).map(file).collect() };
            tip = repo.commit_on(Some(tip), &changeset, "x", &tester(), &tester(), 1_700_000_000).unwrap().commit;
            assert!(other.has(tip));
        }
        assert!(repo.tidy_between().unwrap());
        assert!(packs(&objects) < 3);
        for handle in [&repo, &other] {
            let mut count = 0;
            let visit = |_: &super::super::TreeEntry| {
                count += 1;
                true
            };
            handle.walk(tip, "", 9, visit).unwrap();
            assert!(count > 200 * (PACKS_BETWEEN - 2), "{count}");
        }
    }

    /// What a power cut does to files that were written and not synced: their names are there, their content is not.
    #[test]
    fn after_a_reboot_torn_objects_and_refs_are_had_again() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let ahead =
            repo.commit_on(Some(tip), &Changeset::default(), "ahead", &tester(), &tester(), 1_700_000_000).unwrap();
        drop(repo);
        let own = bench.path("state/repo.git");
        let torn = |oid: Oid| {
            let hex = oid.to_string();
            let file = own.join("objects").join(&hex[..2]).join(&hex[2..]);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            std::fs::write(file, "").unwrap();
        };
        let reboot = || std::fs::write(own.join(BOOT_MARK), "another").unwrap();
        // One that main does not reach: nothing but this look would ever find it.
        torn(ahead.commit);
        reboot();
        let repo = bench.repo();
        assert!(!repo.has(ahead.commit));
        let again =
            repo.commit_on(Some(tip), &Changeset::default(), "ahead", &tester(), &tester(), 1_700_000_000).unwrap();
        assert_eq!(again, ahead);
        assert!(repo.is_ancestor(tip, again.commit).unwrap(), "it can be read now");
        // Without a reboot where somebody has met it.
        torn(again.commit);
        repo.doubt();
        drop(repo);
        let repo = bench.repo();
        assert!(!repo.has(ahead.commit));
        let again =
            repo.commit_on(Some(tip), &Changeset::default(), "ahead", &tester(), &tester(), 1_700_000_000).unwrap();
        // One that main reaches, and the ref itself.
        repo.push(Some(tip), again.commit).unwrap();
        drop(repo);
        for commit in [true, false] {
            if commit {
                torn(again.commit);
            } else {
                std::fs::write(own.join(fetched_ref("main")), "").unwrap();
            }
            reboot();
            let mut repo = bench.repo();
            assert_eq!(repo.fetch().unwrap().commit, again.commit);
            assert!(repo.is_ancestor(tip, again.commit).unwrap());
        }
    }

    #[test]
    fn leftovers_are_cleared_and_objects_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "x").unwrap();
            file
        };
        let stale = [
            "refs/x/heads/main.lock",
            "objects/pack/tmp_pack_1",
            "objects/ab/tmp_obj_1",
            "objects/tmp_objdir-1/x",
            "objects/tmp_dispatch-1/pack-1.pack",
            "HEAD.lock",
        ]
        .map(at);
        let kept = ["objects/ab/0123", "objects/pack/pack-1.pack", "refs/x/heads/main", "HEAD"].map(at);
        clear_leftovers(dir.path());
        assert!(stale.iter().all(|file| !file.exists()));
        assert!(kept.iter().all(|file| file.exists()));
    }
}
