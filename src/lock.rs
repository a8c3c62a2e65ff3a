//! Locks of this host, all `flock`: one per state folder (a second dispatcher on it is refused) and one per
//! resource. Holding one is a value. Never waits: who cannot have a lock now asks again later.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The right to change a state folder, held as long as the value lives.
#[derive(Debug)]
pub struct Instance {
    _file: File,
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
        match try_lock(&state.join("instance.lock"))? {
            Some(file) => Ok(Self { _file: file }),
            None => Err(LockError::Busy(state.to_owned())),
        }
    }

    /// Whether some process holds the state folder now. Takes nothing for longer than the look.
    pub fn is_held(state: &Path) -> bool {
        matches!(try_lock(&state.join("instance.lock")), Ok(None))
    }
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
