//! The folders of one attempt: made before it, and cleared behind it.
//!
//! ```text
//! <state>/run/<id>.<n>/  requests/   the request alone, shown read-only at the inbox's place
//!                        log/        the handler's log folder
//!                        work/       $DISPATCH_WORK, with home/ and the result
//!                        repo/       level none only: a private copy of the snapshot
//! ```
//! A handler may leave anything in what it can write: nothing here follows a link of it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{RunError, Work};
use crate::job::Level;
use crate::statedir::StateDir;

/// The folders of one attempt.
pub(super) struct Scratch {
    /// The folder that only the dispatcher can reach.
    pub(super) root: PathBuf,
    level: Level,
}

impl Scratch {
    pub(super) fn make(state: &StateDir, work: &Work, uid: Option<u32>) -> Result<Self, RunError> {
        let root = state.run(work.id, work.attempt);
        let scratch = Self { root, level: work.job.grant.level };
        let wrap = |source| RunError::Prepare { path: scratch.root.clone(), source };
        scratch.fill(work, uid).map_err(wrap)?;
        Ok(scratch)
    }

    fn fill(&self, work: &Work, uid: Option<u32>) -> io::Result<()> {
        remove_tree(&self.root)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        let below = work.request_path.strip_prefix(&work.inbox).unwrap_or(&work.request_path).trim_start_matches('/');
        if self.level == Level::None {
            copy_tree(&work.snapshot.path, &self.repo())?;
            put(&self.repo().join(&work.request_path), &work.request)?;
            folder(&self.repo().join(&work.output).join(&work.place), uid)?;
        } else {
            put(&self.root.join("requests").join(below), &work.request)?;
            folder(&self.log(work), uid)?;
        }
        folder(&self.work(), uid)?;
        folder(&self.work().join("home"), uid)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.root.join("repo")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(super) fn log(&self, work: &Work) -> PathBuf {
        match self.level {
            Level::None => self.repo().join(&work.output).join(&work.place),
            _ => self.root.join("log"),
        }
    }

    /// What a failed run left is kept for a look; a success leaves nothing where the repository says so.
    pub(super) fn clear(&self, whole: bool) {
        let parts: &[&str] = if whole { &[""] } else { &["repo", "requests"] };
        for part in parts {
            let path = if part.is_empty() { self.root.clone() } else { self.root.join(part) };
            if let Err(error) = remove_tree(&path) {
                tracing::warn!("removing scratch folder `{}`: {error}", path.display());
            }
        }
    }
}

/// A folder that the handler's user may write in.
fn folder(path: &Path, uid: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    match uid {
        Some(uid) => std::os::unix::fs::chown(path, Some(uid), Some(uid)),
        None => Ok(()),
    }
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    fs::write(path, bytes)?;
    fs::set_permissions(path, Permissions::from_mode(0o644))
}

/// Copies a tree, links as links.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
            // A snapshot is read-only for everybody; a private copy belongs to the run.
            let mode = entry.metadata()?.permissions().mode();
            fs::set_permissions(&target, Permissions::from_mode(mode | 0o200))?;
        }
    }
    Ok(())
}

/// Removes a tree in which a handler may have taken its own folders' rights away.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

fn open_folders(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}
