//! Blobs of snapshots as files: what two snapshots have in common is one file with a name in each.
//!
//! ```text
//! <state>/snapshots/<boot id>/blobs/<object id>      mode 0444
//! <state>/snapshots/<boot id>/blobs/<object id>.x    mode 0555
//! ```
//! Only a file that is whole gets a name here, and nobody writes to it again: a handler sees snapshots read-only, or a copy. A store that does not
//! work (no hard links, too many of one file) costs a file of its own and nothing else.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Oid;

/// The store below one folder of snapshots.
pub(super) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    /// In this folder, which is made.
    pub(super) fn open(snapshots: &Path) -> Self {
        let dir = snapshots.join("blobs");
        // Where it cannot be made, nothing is found in it.
        let _ = fs::create_dir(&dir);
        Self { dir }
    }

    /// Gives a kept file another name. Whether it has done so; a name that is taken is an error.
    pub(super) fn link(&self, oid: Oid, executable: bool, target: &Path) -> io::Result<bool> {
        match fs::hard_link(self.place(oid, executable), target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Keeps a file that is whole.
    pub(super) fn keep(&self, oid: Oid, executable: bool, file: &Path) {
        // Another thread may have kept the same.
        let _ = fs::hard_link(file, self.place(oid, executable));
    }

    /// Removes what is in no snapshot.
    pub(super) fn prune(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.metadata().is_ok_and(|data| data.nlink() == 1) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn place(&self, oid: Oid, executable: bool) -> PathBuf {
        self.dir.join(format!("{oid}{}", if executable { ".x" } else { "" }))
    }
}
