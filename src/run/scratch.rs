//! The folders of one attempt: made before it, and cleared behind it.
//!
//! ```text
//! <state>/run/<id>.<n>/  log/        the handler's log folder        both in memory while it runs, where `work` is
//!                        work/       $DISPATCH_WORK, with home/      no more than half of `memory`
//!                        repo/       without a view of its own: a private copy of the snapshot
//! ```
//! Made where something has to lie on a disk, or is kept. Where the handler has no view of its own and another user than the dispatcher, all of
//! it lies in `<state>.open/` instead, which others may enter, and copy and work folder are those of the slot (`stage`).
//! A handler may leave anything in what it can write: nothing here follows a link of it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::sys::statfs::TMPFS_MAGIC;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use tempfile::TempDir;

use super::kept::{self, Checkout};
use super::sandbox::User;
use super::stage::{self, Stage};
use super::{RunError, Work, beneath, sandbox};
use crate::job::{Level, Workspace};
use crate::removal::remove_tree;
use crate::statedir::StateDir;

/// What the names of folders with secrets begin with, in [`SHARED_MEMORY`].
const SECRETS_PREFIX: &str = "codex-dispatch-secrets-";
/// Room in the log folder for a handler's own `status.yml` where it may keep no artifacts.
const LOG_BYTES_MIN: u64 = 1 << 20;
/// Entries of a failed run that are kept, and folders below each other.
const LEFTOVERS_MAX: usize = 10_000;
const LEFTOVERS_DEPTH_MAX: usize = 32;
/// Where a file is in memory and on no disk.
const SHARED_MEMORY: &str = "/dev/shm";

/// The folders of one attempt.
pub(super) struct Scratch {
    /// The folder of the attempt, the dispatcher's own.
    root: PathBuf,
    /// Who the handler is, where that is another than the dispatcher.
    owner: Option<User>,
    /// What the slot keeps.
    stage: Option<Stage>,
    /// It has no mount namespace: it sees the host's paths.
    in_place: bool,
    /// Log and work folder are in memory.
    in_memory: bool,
    /// The most that is kept of it on disk.
    keep_bytes: u64,
    /// The tree of the commit, where the handler's user can read it.
    pub(super) source: PathBuf,
    /// The kept checkout that it works in.
    pub(super) checkout: Option<Checkout>,
    /// The kept cache.
    pub(super) cache: Option<PathBuf>,
    /// Where secrets lie that cannot have a mount of their own.
    secrets: Option<TempDir>,
}

/// Where handlers of this level have their folders, as seen from the state folder.
pub fn home(state: &StateDir, level: Level) -> PathBuf {
    let others = rustix::process::geteuid().is_root() && level != Level::Isolated;
    if others { state.open() } else { state.root().to_owned() }
}

/// The folder on the way to a place that keeps users other than its owner out.
pub fn closed_above(place: &Path) -> Option<&Path> {
    let closed = |folder: &&Path| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 == 0);
    place.ancestors().skip(1).filter(closed).last()
}

/// Whether something stands at a place that is no folder of the dispatcher's: beside the state folder somebody else may have been first.
pub fn is_anothers(place: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(place).is_ok_and(|found| !found.is_dir() || found.uid() != own)
}

impl Scratch {
    /// For a run in `slot`, with what [`Scratch::clear`] has kept of the last one.
    pub(super) fn make(
        state: &StateDir,
        work: &Work,
        owner: Option<User>,
        slot: u32,
        kept: Option<Stage>,
    ) -> Result<Self, RunError> {
        let grant = &work.job.grant;
        let home = home(state, grant.level);
        let root = home.join("run").join(state.run(work.id, work.attempt).file_name().unwrap_or_default());
        let in_place = grant.level != Level::Isolated;
        let in_memory = !in_place && grant.limits.work <= grant.limits.memory / 2;
        let keep_bytes = grant.limits.work.saturating_add(log_bytes(grant.limits.artifacts));
        let source = PathBuf::new();
        let mut scratch = Self {
            root,
            owner,
            stage: None,
            in_place,
            in_memory,
            keep_bytes,
            source,
            checkout: None,
            cache: None,
            secrets: None,
        };
        let filled = scratch.fill(&home, work, slot, kept);
        filled.map_err(|source| RunError::Prepare { path: scratch.root.clone(), source })?;
        Ok(scratch)
    }

    fn fill(&mut self, home: &Path, work: &Work, slot: u32, kept: Option<Stage>) -> io::Result<()> {
        let owner = self.owner;
        remove_tree(&self.root)?;
        let job = &work.job;
        let persistent = job.row.workspace == Workspace::Persistent;
        self.source.clone_from(&work.snapshot.path);
        if let Some(owner) = owner.filter(|_| self.in_place) {
            if kept.is_none() {
                for folder in ["", "run", "checkouts", "caches"] {
                    passable(&home.join(folder))?;
                }
            }
            let stage = self.stage.insert(Stage::ready(
                kept,
                stage::place(home, slot),
                (&work.snapshot.key, &work.snapshot.path),
                owner,
            )?);
            self.source = stage.repo();
        } else if self.in_place || !self.in_memory {
            open_folder(&self.root, owner)?;
            if self.in_place && !persistent {
                self.source = self.root.join("repo");
                copy_tree(&work.snapshot.path, &self.source)?;
            }
        }
        if persistent {
            self.checkout = Some(Checkout::prepare(home, job, owner, &self.source)?);
        }
        if job.grant.limits.cache > 0 {
            self.cache = Some(kept::cache(home, job, owner)?);
        }
        if self.in_place {
            self.lay_out_in_place(work, owner)?;
        }
        if self.in_memory || self.stage.is_some() {
            return Ok(());
        }
        if !self.in_place {
            folder(&self.root.join("log"), owner)?;
        }
        folder(&self.work(), owner)?;
        folder(&self.work().join("home"), owner)?;
        if self.in_place { folder(&self.work().join("tmp"), owner) } else { Ok(()) }
    }

    /// The request and the log folder, where nothing can be mounted over the inbox's and the output's place.
    fn lay_out_in_place(&mut self, work: &Work, owner: Option<User>) -> io::Result<()> {
        let repo = self.repo();
        match &mut self.stage {
            Some(stage) if self.checkout.is_none() => stage.lay(&work.into())?,
            _ => {
                if self.checkout.is_some() {
                    // An earlier run could write here.
                    for place in [&work.inbox, &work.output] {
                        beneath::clear_way(&repo, Path::new(place))?;
                    }
                }
                beneath::put(&repo, Path::new(&work.request_path), &work.request)?;
                beneath::folder(&repo, &Path::new(&work.output).join(&work.place), owner)?;
            }
        }
        if !work.secrets.is_empty() {
            self.secrets = secrets_folder(owner)?;
        }
        Ok(())
    }

    /// The repository root, where the handler sees the host's paths.
    pub(super) fn repo(&self) -> PathBuf {
        match (&self.checkout, &self.stage) {
            (Some(checkout), _) => checkout.tree.clone(),
            (None, Some(stage)) => stage.repo(),
            (None, None) => self.root.join("repo"),
        }
    }

    pub(super) fn work(&self) -> PathBuf {
        self.stage.as_ref().map_or_else(|| self.root.join("work"), Stage::work)
    }

    /// The log folder on the host's disk.
    pub(super) fn log(&self, work: &Work) -> PathBuf {
        if self.in_place { self.repo().join(&work.output).join(&work.place) } else { self.root.join("log") }
    }

    /// What lies in memory, log folder first, with the places where the handler sees it.
    pub(super) fn in_memory(&self, work: &Work, at: &Path, log: &Path) -> Vec<sandbox::Scratch> {
        if !self.in_memory {
            return Vec::new();
        }
        let limits = &work.job.grant.limits;
        let folder = |place: &Path, bytes, folders: &[&str]| sandbox::Scratch {
            place: place.to_owned(),
            bytes,
            folders: folders.iter().map(PathBuf::from).collect(),
        };
        vec![folder(log, log_bytes(limits.artifacts), &[]), folder(at, limits.work, &["home"])]
    }

    /// Folders on a disk that the handler can fill.
    pub(super) fn watched(&self, work: &Work) -> Vec<sandbox::Watched> {
        let limits = &work.job.grant.limits;
        let mut watched = Vec::new();
        let mut watch =
            |limit, folder: PathBuf, bytes, kept| watched.push(sandbox::Watched { limit, folder, bytes, kept });
        if !self.in_memory {
            watch("work", self.work(), limits.work, false);
            watch("artifacts", self.log(work), limits.artifacts.saturating_add(limits.work), false);
        }
        if let Some(cache) = &self.cache {
            watch("cache", cache.clone(), limits.cache, true);
        }
        if let Some(checkout) = &self.checkout {
            watch("checkout", checkout.tree.clone(), limits.checkout, true);
        }
        watched
    }

    pub(super) fn secrets_dir(&self) -> PathBuf {
        self.secrets.as_ref().map_or_else(|| self.root.join("secrets"), |folder| folder.path().to_owned())
    }

    /// What the handler left. `memory` is what [`Scratch::in_memory`] has become.
    pub(super) fn left(&self, work: &Work, memory: Vec<OwnedFd>) -> io::Result<Left> {
        if self.in_memory {
            // Nothing is left of what was in memory where the supervisor was killed: empty folders stand for that.
            let mut memory = memory.into_iter();
            let mut next = |name: &str| {
                let root = memory.next().map_or_else(|| empty_folder(&self.root.join(name)), Ok)?;
                io::Result::Ok(Place { root, below: ".".into() })
            };
            return Ok(Left { log: next("log")?, work: next("work")? });
        }
        let home = self.root.parent().and_then(Path::parent).unwrap_or(&self.root);
        let place = |path: PathBuf| {
            io::Result::Ok(Place { root: open(home)?, below: path.strip_prefix(home).unwrap_or(&path).to_owned() })
        };
        Ok(Left { log: place(self.log(work))?, work: place(self.work())? })
    }

    /// What a failed run left is kept for a look; a success leaves nothing where the repository says so. Gives back what the slot keeps.
    pub(super) fn clear(mut self, work: &Work, whole: bool, left: &Left) -> Option<Stage> {
        if self.in_memory && !whole {
            let mut room = Room { bytes: self.keep_bytes, entries: LEFTOVERS_MAX };
            for (name, place) in [("log", &left.log), ("work", &left.work)] {
                let from = PathBuf::from(format!("/proc/self/fd/{}", place.root.as_raw_fd()));
                if let Err(error) = keep(&from, &self.root.join(name), LEFTOVERS_DEPTH_MAX, &mut room) {
                    tracing::warn!("keeping what is left of `{}`: {error}", self.root.display());
                }
            }
        }
        if let Some(stage) = self.stage.take() {
            return self.clear_stage(stage, work, whole);
        }
        let path = if whole { self.root } else { self.root.join("repo") };
        if let Err(error) = remove_tree(&path) {
            tracing::warn!("removing scratch folder `{}`: {error}", path.display());
        }
        None
    }

    /// Of one that cannot be cleared nothing is kept: the next is made anew.
    fn clear_stage(&self, mut stage: Stage, work: &Work, whole: bool) -> Option<Stage> {
        let struck = if self.checkout.is_none() { stage.strike(&work.into()) } else { Ok(()) };
        let settled = if whole {
            stage.tidy()
        } else {
            open_folder(&self.root, self.owner).and_then(|()| stage.give_away(&self.root.join("work")))
        };
        match struck.and(settled) {
            Ok(()) => Some(stage),
            Err(error) => {
                tracing::warn!("clearing the folders of `{}`: {error}", self.root.display());
                None
            }
        }
    }
}

/// What a handler left behind.
pub(super) struct Left {
    pub(super) log: Place,
    pub(super) work: Place,
}

/// A folder of a handler.
pub(super) struct Place {
    /// Nobody but the dispatcher can put another folder in its place.
    pub(super) root: OwnedFd,
    /// The folder, relative to it: this part of the path may be the handler's.
    pub(super) below: PathBuf,
}

/// Room in the log folder: something that is too large is to be named in the record, rather than be a failure of the handler.
fn log_bytes(artifacts: u64) -> u64 {
    artifacts.saturating_mul(2).saturating_add(LOG_BYTES_MIN)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat2(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())?)
}

fn empty_folder(path: &Path) -> io::Result<OwnedFd> {
    fs::create_dir_all(path)?;
    open(path)
}

/// A folder on a tmpfs that only the job's user can enter, gone when it is dropped.
fn secrets_folder(owner: Option<User>) -> io::Result<Option<TempDir>> {
    if !nix::sys::statfs::statfs(SHARED_MEMORY).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC) {
        return Ok(None);
    }
    let prefix = format!("{SECRETS_PREFIX}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(SHARED_MEMORY)?;
    let (uid, gid) = User::ids(owner);
    chown(folder.path(), uid, gid)?;
    Ok(Some(folder))
}

/// Removes folders with secrets of dispatchers that were killed.
pub fn sweep_secrets() {
    let own = rustix::process::geteuid();
    for entry in fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(SECRETS_PREFIX));
        let Some(process) = rest.and_then(|rest| rest.split('-').next()) else { continue };
        let ours = own.is_root() || entry.metadata().is_ok_and(|found| found.uid() == own.as_raw());
        if ours && !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder that the handler's user owns, with those above it.
pub(super) fn folder(path: &Path, owner: Option<User>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    let (uid, gid) = User::ids(owner);
    chown(path, uid, gid)
}

/// A folder that everybody may go through and nobody else may list.
fn passable(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o711).create(path)?;
    if is_anothers(path) {
        return Err(io::Error::other(format!("`{}` is not a folder of the dispatcher's user", path.display())));
    }
    // Whatever our umask is.
    fs::set_permissions(path, Permissions::from_mode(0o711))
}

/// A folder of the dispatcher's that the handler's user may go through, and none of the others.
pub(super) fn open_folder(path: &Path, owner: Option<User>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if owner.is_some() {
        chown(path, None, owner.map(|user| user.gid))?;
        fs::set_permissions(path, Permissions::from_mode(0o710))?;
    }
    Ok(())
}

/// What may still be kept of a failed run.
struct Room {
    bytes: u64,
    entries: usize,
}

/// Copies what fits of what a handler left. Files count by their length, once for each name: written out, holes and second names take their place.
fn keep(from: &Path, to: &Path, depth: usize, room: &mut Room) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let Some(entries) = room.entries.checked_sub(1) else {
            return Err(io::Error::other(format!("more than {LEFTOVERS_MAX} entries; the rest is not kept")));
        };
        room.entries = entries;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let found = entry.metadata()?;
        if found.is_dir() && depth > 0 {
            keep(&source, &target, depth - 1, room)?;
        } else if found.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if found.is_file()
            && let Some(bytes) = room.bytes.checked_sub(found.len())
        {
            room.bytes = bytes;
            fs::copy(&source, &target)?;
            fs::set_permissions(&target, Permissions::from_mode((found.mode() & 0o777) | 0o200))?;
        }
    }
    Ok(())
}

/// Copies a tree, links as links; what is neither file nor folder nor link stays behind.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    // Whatever our umask is.
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            // A snapshot is read-only for everybody; a private copy belongs to the run. No copy gives anybody another's rights.
            let mode = entry.metadata()?.permissions().mode();
            fs::set_permissions(&target, Permissions::from_mode((mode & 0o777) | 0o200))?;
        }
    }
    Ok(())
}
