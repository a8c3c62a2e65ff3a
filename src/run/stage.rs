//! What a slot without a view of its own keeps from run to run, where its handlers are another user than the dispatcher.
//!
//! ```text
//! <state>.open/run/slot-<k>/  repo/   a copy of the snapshot, the dispatcher's own, which no handler can change
//!                             work/   $DISPATCH_WORK with home/ and tmp/, the handler's
//! ```
//! Owns that each run finds both as if they had been made for it: of the last run nothing is left, request and log folder are taken out again,
//! and a work folder that was used in any way is made anew. Whatever goes wrong, all of it is made anew. Never: follows a link of a handler.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    CWD, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, flistxattr, fstat, futimens, ioctl_getflags, openat,
};
use rustix::io::Errno;

use super::Work;
use super::sandbox::User;
use super::scratch::{copy_tree, folder, home, open_folder};
use crate::job::Level;
use crate::removal::remove_tree;
use crate::statedir::StateDir;

/// What the names of these folders begin with, beside those of runs.
const PREFIX: &str = "slot-";
/// Folders of the work folder, itself first.
const WORK: [&str; 3] = ["work", "work/home", "work/tmp"];

/// The folders of one slot.
pub(super) struct Stage {
    root: PathBuf,
    /// Of the snapshot that was copied.
    key: String,
    owner: User,
    /// How the work folder looked when it was new; none where it has to be made.
    new: Option<Vec<Look>>,
    /// Folders that stand above the places of the last run's request and log folder.
    above: [PathBuf; 2],
}

/// All that a handler can change of a folder, but for its times.
#[derive(PartialEq, Eq)]
struct Look {
    ids: (u32, u32),
    mode: u32,
    bytes: i64,
    flags: Option<u32>,
    attributes: Option<Vec<u8>>,
    names: Vec<Vec<u8>>,
}

/// What is put into the copy for one run.
pub(super) struct Props<'a> {
    inbox: &'a str,
    request: &'a str,
    bytes: &'a [u8],
    output: &'a str,
    log: PathBuf,
}

impl<'a> From<&'a Work> for Props<'a> {
    fn from(work: &'a Work) -> Self {
        let log = Path::new(&work.output).join(&work.place);
        Self { inbox: &work.inbox, request: &work.request_path, bytes: &work.request, output: &work.output, log }
    }
}

/// Where the stage of a slot lies.
pub(super) fn place(home: &Path, slot: u32) -> PathBuf {
    home.join("run").join(format!("{PREFIX}{slot}"))
}

impl Stage {
    /// Makes it ready for a run of `owner` on a snapshot, given by its key and place; `kept` is what is left of the last run.
    pub(super) fn ready(
        kept: Option<Self>,
        root: PathBuf,
        (key, snapshot): (&str, &Path),
        owner: User,
    ) -> io::Result<Self> {
        let mut stage = match kept {
            Some(kept) if kept.key == key => kept,
            _ => {
                remove_tree(&root)?;
                open_folder(&root, Some(owner))?;
                copy_tree(snapshot, &root.join("repo"))?;
                Self { root, key: key.to_owned(), owner, new: None, above: Default::default() }
            }
        };
        if stage.owner != owner {
            open_folder(&stage.root, Some(owner))?;
            stage.new = None;
        }
        stage.owner = owner;
        if stage.new.is_none() {
            remove_tree(&stage.work())?;
            for name in WORK {
                folder(&stage.root.join(name), Some(owner))?;
            }
            stage.new = Some(stage.look()?);
        }
        Ok(stage)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.root.join("repo")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.root.join(WORK[0])
    }

    /// Puts request and log folder into the copy.
    pub(super) fn lay(&mut self, props: &Props<'_>) -> io::Result<()> {
        let repo = self.repo();
        let Props { inbox, request, bytes, output, log } = props;
        let places = [(Path::new(inbox), Path::new(request)), (Path::new(output), log)];
        for ((top, place), kept) in places.into_iter().zip(&mut self.above) {
            let above = place.parent().unwrap_or(top);
            if *kept == above {
                continue;
            }
            // A handler sees no folder that an earlier one had and it has not.
            clear_below(&repo, top, kept)?;
            make_below(&repo, above)?;
            above.clone_into(kept);
        }
        let request = repo.join(request);
        fs::write(&request, bytes)?;
        fs::set_permissions(&request, Permissions::from_mode(0o644))?;
        let log = repo.join(log);
        fs::create_dir(&log)?;
        fs::set_permissions(&log, Permissions::from_mode(0o755))?;
        chown(&log, Some(self.owner.uid), Some(self.owner.gid))
    }

    /// Takes them out again.
    pub(super) fn strike(&self, props: &Props<'_>) -> io::Result<()> {
        let repo = self.repo();
        fs::remove_file(repo.join(props.request))?;
        let log = repo.join(&props.log);
        // Most often it is empty.
        fs::remove_dir(&log).or_else(|_| remove_tree(&log))
    }

    /// Sees to the work folder: one that is as it was made is good for the next run.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        let looks = self.look();
        if looks.is_err() || self.new.as_ref() != looks.as_ref().ok() {
            self.new = None;
            return remove_tree(&self.work());
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        for name in WORK {
            futimens(open(&self.root.join(name))?, &Timestamps { last_access: now, last_modification: now })?;
        }
        Ok(())
    }

    /// Moves the work folder to where what is left of a run is kept.
    pub(super) fn give_away(&mut self, to: &Path) -> io::Result<()> {
        self.new = None;
        fs::rename(self.work(), to)
    }

    /// Removes all of it.
    pub(super) fn remove(self) {
        if let Err(error) = remove_tree(&self.root) {
            tracing::warn!("removing `{}`: {error}", self.root.display());
        }
    }

    fn look(&self) -> io::Result<Vec<Look>> {
        WORK.iter().map(|name| look(&self.root.join(name))).collect()
    }
}

/// Removes the stages of a dispatcher that was killed.
pub fn sweep_stages(state: &StateDir) {
    let runs = home(state, Level::None).join("run");
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            // What is still being ended may write: the first run of the slot tries again.
            let _ = remove_tree(&entry.path());
        }
    }
}

/// Removes the folders that [`make_below`] has made.
fn clear_below(repo: &Path, top: &Path, above: &Path) -> io::Result<()> {
    let below = above.strip_prefix(top).unwrap_or(Path::new(""));
    match below.components().next() {
        Some(Component::Normal(first)) => remove_tree(&repo.join(top).join(first)),
        _ => Ok(()),
    }
}

fn make_below(repo: &Path, folder: &Path) -> io::Result<()> {
    let mut here = repo.to_owned();
    for name in folder.components() {
        here.push(name);
        match fs::create_dir(&here) {
            // Whatever our umask is.
            Ok(()) => fs::set_permissions(&here, Permissions::from_mode(0o755))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn look(path: &Path) -> io::Result<Look> {
    let folder = open(path)?;
    let found = fstat(&folder)?;
    let mut names = Vec::new();
    // One more than there are is enough to see that it was used.
    for entry in Dir::read_from(&folder)?.take(5) {
        names.push(entry?.file_name().to_bytes().to_vec());
    }
    names.sort_unstable();
    Ok(Look {
        ids: (found.st_uid, found.st_gid),
        mode: found.st_mode,
        bytes: found.st_size,
        flags: supported(ioctl_getflags(&folder).map(|flags| flags.bits()))?,
        attributes: attributes(&folder)?,
        names,
    })
}

/// Names of the extended attributes, access lists among them.
fn attributes(folder: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
    let mut names = vec![0; 1024];
    let length = supported(flistxattr(folder, &mut names[..]))?;
    Ok(length.map(|length| {
        names.truncate(length);
        names
    }))
}

/// Not every file system has it.
fn supported<T>(found: Result<T, Errno>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOTSUP | Errno::NOTTY | Errno::NOSYS | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use rustix::fs::{XattrFlags, setxattr};

    use super::*;

    fn own() -> User {
        User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }

    fn props<'a>(request: &'a str, log: &str) -> Props<'a> {
        Props { inbox: "requests", request, bytes: b"kind: x", output: "logs", log: log.into() }
    }

    /// Everything below a folder, with modes.
    fn listed(folder: &Path) -> Vec<(PathBuf, u32)> {
        let mut found = Vec::new();
        let mut next = vec![folder.to_owned()];
        while let Some(folder) = next.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    next.push(entry.path());
                }
                found.push((entry.path(), entry.metadata().unwrap().mode() & 0o7777));
            }
        }
        found.sort();
        found
    }

    fn bench() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let base = tempfile::tempdir().unwrap();
        let (snapshot, root) = (base.path().join("snapshot"), base.path().join("slot-0"));
        for folder in ["requests", "logs", "handlers"] {
            fs::create_dir_all(snapshot.join(folder)).unwrap();
        }
        fs::write(snapshot.join("handlers/x.sh"), "exit 0").unwrap();
        (base, snapshot, root)
    }

    #[test]
    fn each_run_finds_the_copy_as_if_it_were_made_for_it() {
        let (base, snapshot, root) = bench();
        let copy = ("one", snapshot.as_path());
        let last = props("requests/z.yml", "logs/2026/z");
        let mut fresh = Stage::ready(None, base.path().join("slot-1"), copy, own()).unwrap();
        fresh.lay(&last).unwrap();
        let expected: Vec<_> = listed(&fresh.repo());

        let mut stage = Stage::ready(None, root.clone(), copy, own()).unwrap();
        for (request, log) in [
            ("requests/a.yml", "logs/2026/a"),
            ("requests/team/b.yml", "logs/team/b"),
            ("requests/team/c.yml", "logs/team/2025/c"),
        ] {
            let props = props(request, log);
            stage.lay(&props).unwrap();
            let log = stage.repo().join(log);
            fs::create_dir(log.join("deep")).unwrap();
            symlink("/etc", log.join("deep/link")).unwrap();
            stage.strike(&props).unwrap();
            stage.tidy().unwrap();
            stage = Stage::ready(Some(stage), root.clone(), copy, own()).unwrap();
        }
        stage.lay(&last).unwrap();
        let found: Vec<_> = listed(&stage.repo());
        let below = |found: Vec<(PathBuf, u32)>, top: PathBuf| -> Vec<_> {
            found.into_iter().map(|(path, mode)| (path.strip_prefix(&top).unwrap().to_owned(), mode)).collect()
        };
        assert_eq!(below(found, stage.repo()), below(expected, fresh.repo()));
        assert_eq!(fs::read(stage.repo().join("requests/z.yml")).unwrap(), b"kind: x");

        // Another tree.
        fs::write(snapshot.join("handlers/x.sh"), "exit 1").unwrap();
        let stage = Stage::ready(Some(stage), root, ("two", &snapshot), own()).unwrap();
        assert_eq!(fs::read(stage.repo().join("handlers/x.sh")).unwrap(), b"exit 1");
        assert_eq!(listed(&stage.repo().join("logs")), []);
    }

    #[test]
    fn a_work_folder_that_was_used_is_made_anew() {
        let (_base, snapshot, root) = bench();
        let ready = |kept| Stage::ready(kept, root.clone(), ("one", &snapshot), own()).unwrap();
        let mut stage = ready(None);
        let new = listed(&root.join("work"));
        let changes: [fn(&Path); 6] = [
            |work| fs::write(work.join("home/.profile"), "evil").unwrap(),
            |work| fs::set_permissions(work.join("tmp"), Permissions::from_mode(0o1777)).unwrap(),
            |work| fs::remove_dir(work.join("home")).unwrap(),
            |work| {
                fs::remove_dir(work.join("tmp")).unwrap();
                symlink("/etc", work.join("tmp")).unwrap();
            },
            // Not every file system has them.
            |work| setxattr(work.join("home"), "user.left", b"x", XattrFlags::empty()).unwrap_or_default(),
            |work| {
                for number in 0..300 {
                    let path = work.join(format!("{number:0200}"));
                    fs::write(&path, "").unwrap();
                    fs::remove_file(&path).unwrap();
                }
            },
        ];
        for change in changes {
            change(&stage.work());
            stage.tidy().unwrap();
            stage = ready(Some(stage));
            assert_eq!(listed(&stage.work()), new);
            let left = look(&stage.work().join("home")).unwrap().attributes.unwrap_or_default();
            assert!(!left.starts_with(b"user.left"));
        }
        let inode = |stage: &Stage| fs::metadata(stage.work()).unwrap().ino();
        let before = inode(&stage);
        stage.tidy().unwrap();
        assert!(stage.new.is_some(), "nothing was changed");
        let stage = ready(Some(stage));
        assert_eq!(inode(&stage), before);
    }

    #[test]
    fn what_a_killed_dispatcher_left_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let git = base.path().join("git");
        let state = StateDir::locate(&git, Some(&base.path().join("state"))).unwrap();
        state.create(&git).unwrap();
        let runs = home(&state, Level::None).join("run");
        fs::create_dir_all(runs.join("slot-3/repo/x")).unwrap();
        fs::create_dir_all(runs.join("0198c0de-1111-7222-8333-444455556666.1/work")).unwrap();
        sweep_stages(&state);
        let left: Vec<_> = fs::read_dir(&runs).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["0198c0de-1111-7222-8333-444455556666.1"]);
    }
}
