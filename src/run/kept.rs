//! What a kind keeps on this host from run to run: a persistent checkout, a cache.
//!
//! ```text
//! <home>/checkouts/<kind>-<digest>/tree    the checkout, the kind's user's own
//!                                  files   paths that the last snapshot had, each ended by a NUL
//! <home>/caches/<kind>-<digest>/tree       $DISPATCH_CACHE
//! ```
//! One of each for a kind and its lock keys, so that two runs which may be at work at once never share one. Both are disposable: whatever is
//! not as it should be is removed and made anew. Never: writes into a checkout, which is done as its user (`sandbox/refresh.rs`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::sandbox::User;
use super::scratch::{folder, open_folder};
use crate::durable;
use crate::job::Job;
use crate::removal::remove_tree;

/// A checkout that is kept.
pub(super) struct Checkout {
    /// Its top folder.
    pub tree: PathBuf,
    /// Files of earlier snapshots that the present one does not have.
    pub gone: Vec<PathBuf>,
    list: PathBuf,
    files: BTreeSet<PathBuf>,
}

impl Checkout {
    /// Makes it where it is missing, and finds out what has gone since the last run.
    pub(super) fn prepare(home: &Path, job: &Job, owner: Option<User>, snapshot: &Path) -> io::Result<Self> {
        let place = home.join("checkouts").join(key(job));
        let tree = own_tree(&place, owner)?;
        let list = place.join("files");
        let mut files = BTreeSet::new();
        list_files(snapshot, Path::new(""), &mut files)?;
        let before = read_list(&list)?;
        let gone: Vec<PathBuf> = before.difference(&files).cloned().collect();
        if !gone.is_empty() || before != files {
            // Until they are gone for sure the list names them too.
            write_list(&list, before.union(&files))?;
        }
        Ok(Self { tree, gone, list, files })
    }

    /// It is as the snapshot is.
    pub(super) fn brought_up(&self) -> io::Result<()> {
        if self.gone.is_empty() { Ok(()) } else { write_list(&self.list, self.files.iter()) }
    }
}

/// The folder of a cache, made where it is missing.
pub(super) fn cache(home: &Path, job: &Job, owner: Option<User>) -> io::Result<PathBuf> {
    own_tree(&home.join("caches").join(key(job)), owner)
}

/// Empties a cache or checkout that has become too large.
pub(super) fn discard(tree: &Path) {
    if let Some(Err(error)) = tree.parent().map(remove_tree) {
        tracing::warn!("removing `{}`: {error}", tree.display());
    }
}

fn key(job: &Job) -> String {
    let mut digest = Sha256::new();
    for word in std::iter::once(&job.kind).chain(&job.locks) {
        digest.update(word.as_bytes());
        digest.update([0]);
    }
    let digest = HEXLOWER.encode(&digest.finalize());
    format!("{}-{}", job.kind, &digest[..16])
}

fn own_tree(place: &Path, owner: Option<User>) -> io::Result<PathBuf> {
    open_folder(place, owner)?;
    let tree = place.join("tree");
    let uid = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
    // Another user's (`run_as` was changed) is of no use.
    if fs::symlink_metadata(&tree).is_ok_and(|found| !found.is_dir() || found.uid() != uid) {
        remove_tree(&tree)?;
        let _ = fs::remove_file(place.join("files"));
    }
    // Each time: a handler may have taken its rights away.
    folder(&tree, owner)?;
    Ok(tree)
}

/// Everything but folders.
fn list_files(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list_files(root, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

fn read_list(list: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let bytes = match fs::read(list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        read => read?,
    };
    let paths = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
}

fn write_list<'a>(list: &Path, paths: impl Iterator<Item = &'a PathBuf>) -> io::Result<()> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    durable::write_file(list, &bytes, 0o600).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("files");
        assert!(read_list(&list).unwrap().is_empty());
        let odd = [PathBuf::from("a\nb"), PathBuf::from(OsStr::from_bytes(b"\xff/x")), PathBuf::from("plain")];
        write_list(&list, odd.iter()).unwrap();
        assert_eq!(read_list(&list).unwrap(), odd.into_iter().collect());
    }
}
