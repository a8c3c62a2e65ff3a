//! Locks of this host, all `flock`: one per state folder (a second dispatcher on it is refused) and one per
//! resource. Holding one is a value. Never waits: who cannot have a lock now asks again later.
//!
//! A dispatcher that listens for signals writes its process number into `instance.lock`; what stands there is never
//! believed, only a process that has that very file open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sha2::{Digest, Sha256};

const INSTANCE: &str = "instance.lock";

/// The right to change a state folder, held as long as the value lives.
#[derive(Debug)]
pub struct Instance {
    file: File,
}

/// Who holds a state folder.
#[derive(Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// Somebody who takes no signals, such as `dispatch adopt`, or whom we may not look at.
    Somebody,
    /// A dispatcher that listens.
    Dispatcher(Running),
}

/// A running dispatcher: this process and no later one with its number.
#[derive(Debug)]
pub struct Running {
    /// Its process number.
    pub pid: u32,
    process: OwnedFd,
}

/// One held resource lock. The file is handed on to the process that supervises the handler, so that the
/// lock lives as long as the work, even past the death of the dispatcher.
#[derive(Debug)]
pub struct ResourceLock {
    /// The lock key, as the request and the index named it.
    pub key: String,
    /// The open, locked file.
    pub file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds the state folder.
    #[error("another dispatcher works on the state folder `{0}`")]
    Busy(PathBuf),
    /// The lock file could not be used.
    #[error("opening lock `{path}`: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl ResourceLock {
    /// A second hold on the same lock: it is given back when both are gone.
    ///
    /// # Errors
    /// [`LockError::Io`] where no descriptor is left.
    pub fn share(&self) -> Result<Self, LockError> {
        let file = self.file.try_clone().map_err(|source| LockError::Io { path: PathBuf::from(&self.key), source })?;
        Ok(Self { key: self.key.clone(), file })
    }
}

impl Instance {
    /// Takes the state folder.
    ///
    /// # Errors
    /// [`LockError::Busy`] where another process holds it.
    pub fn take(state: &Path) -> Result<Self, LockError> {
        let path = state.join(INSTANCE);
        let Some(file) = try_lock(&path)? else { return Err(LockError::Busy(state.to_owned())) };
        // What an earlier holder wrote is not true any more.
        file.set_len(0).map_err(|source| LockError::Io { path, source })?;
        Ok(Self { file })
    }

    /// Says who we are: from now on SIGHUP makes us look at main.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn listen(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(format!("{}\n", std::process::id()).as_bytes())
    }

    /// Whether some process holds the state folder now. Takes nothing for longer than the look.
    pub fn is_held(state: &Path) -> bool {
        matches!(try_lock(&state.join(INSTANCE)), Ok(None))
    }

    /// Who holds the state folder now. Takes nothing for longer than the look.
    pub fn holder(state: &Path) -> Holder {
        if !Self::is_held(state) {
            return Holder::Nobody;
        }
        running(&state.join(INSTANCE)).map_or(Holder::Somebody, Holder::Dispatcher)
    }
}

impl Running {
    /// Asks it to look at main now.
    ///
    /// # Errors
    /// It belongs to another user, or it has just ended.
    pub fn poke(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::HUP)?)
    }
}

/// The process that the lock file names, where it has that file open.
fn running(path: &Path) -> Option<Running> {
    let pid = fs::read_to_string(path).ok()?.trim().parse::<i32>().ok()?;
    // First the handle, then the look: a number that is given to another process meanwhile does not deceive us.
    let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let file = fs::metadata(path).ok()?;
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let holds = open
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .any(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()));
    holds.then_some(Running { pid: pid.cast_unsigned(), process })
}

/// Takes all of `keys` (sorted by the caller's set) or none; `None` where one is held by somebody else.
///
/// # Errors
/// [`LockError::Io`] where a lock file cannot be opened.
pub fn take_all<'a>(
    folder: &Path,
    keys: impl IntoIterator<Item = &'a String>,
) -> Result<Option<Vec<ResourceLock>>, LockError> {
    let mut held = Vec::new();
    for key in keys {
        match try_lock(&folder.join(file_name(key)))? {
            Some(file) => held.push(ResourceLock { key: key.clone(), file }),
            None => return Ok(None),
        }
    }
    Ok(Some(held))
}

/// A key may hold any character; its digest is always a file name.
pub fn file_name(key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(key.as_bytes()))
}

fn try_lock(path: &Path) -> Result<Option<File>, LockError> {
    let wrap = |source| LockError::Io { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(wrap)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(wrap(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().expect("temp folder");
        let first = Instance::take(folder.path()).expect("free");
        assert!(matches!(Instance::take(folder.path()), Err(LockError::Busy(_))));
        assert!(Instance::is_held(folder.path()));
        drop(first);
        assert!(!Instance::is_held(folder.path()));
        Instance::take(folder.path()).expect("free again");
    }

    #[test]
    fn only_a_process_that_has_the_lock_open_is_its_holder() {
        let folder = tempfile::tempdir().expect("temp folder");
        let found = || Instance::holder(folder.path());
        assert!(matches!(found(), Holder::Nobody));
        let held = Instance::take(folder.path()).expect("free");
        assert!(matches!(found(), Holder::Somebody), "it takes no signals yet");
        held.listen().expect("written");
        let us = std::process::id();
        assert!(matches!(found(), Holder::Dispatcher(Running { pid, .. }) if pid == us), "{:?}", found());
        // A number of somebody else's: a stale one that was given away again.
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
        fs::write(folder.path().join(INSTANCE), format!("{}\n", other.id())).expect("written");
        assert!(matches!(found(), Holder::Somebody));
        other.kill().and_then(|()| other.wait()).expect("ended");
        assert!(matches!(found(), Holder::Somebody));
        drop(held);
        assert!(matches!(found(), Holder::Nobody));
        let _again = Instance::take(folder.path()).expect("free again");
        assert_eq!(fs::read(folder.path().join(INSTANCE)).expect("readable"), b"");
    }

    #[test]
    fn resources_are_taken_together_or_not_at_all() {
        let folder = tempfile::tempdir().expect("temp folder");
        let (a, b) = ("host/a".to_owned(), "host/b".to_owned());
        let held = take_all(folder.path(), [&b]).expect("open").expect("free");
        assert_eq!(held[0].key, "host/b");
        assert!(take_all(folder.path(), [&a, &b]).expect("open").is_none());
        let shared = held[0].share().expect("a descriptor");
        drop(held);
        assert!(take_all(folder.path(), [&b]).expect("open").is_none(), "it is held twice");
        drop(shared);
        assert!(take_all(folder.path(), [&b]).expect("open").is_some());
        // What was taken on the way was given back.
        assert!(take_all(folder.path(), [&a]).expect("open").is_some());
    }
}
