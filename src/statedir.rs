//! The state folder: which one belongs to a repository, and what lies where in it. Everything in it is
//! this program's alone (mode 0700); nothing outside it is written through this module but the pointer
//! `.git/dispatch/state`, which every verb follows so that a service and a typed command share one lock.

mod watch;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use watch::StateWatch;

use crate::durable;
use crate::id::RequestId;

/// The state folder of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

/// Why there is no state folder to work with.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another state folder than the one that the first run chose.
    #[error("this repository's state is in `{known}`, not in `{asked}` (as `{pointer}` says)")]
    Other {
        /// What the pointer says.
        known: PathBuf,
        /// What was asked for.
        asked: PathBuf,
        /// The pointer file.
        pointer: PathBuf,
    },
    /// It cannot be made or written.
    #[error("state folder `{path}`: {source}")]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl StateDir {
    /// Where the state of the repository with this git folder is or would be: what was asked for, else what
    /// the pointer says, else `<git folder>/dispatch`. Changes nothing.
    ///
    /// # Errors
    /// [`StateDirError::Other`] where the pointer and the question differ.
    pub fn locate(git_dir: &Path, asked: Option<&Path>) -> Result<Self, StateDirError> {
        let pointer = pointer(git_dir);
        let known = fs::read_to_string(&pointer).ok().map(|text| PathBuf::from(text.trim_end_matches('\n')));
        let root = match (asked, known) {
            (Some(asked), Some(known)) if !same(asked, &known) => {
                return Err(StateDirError::Other { known, asked: asked.to_owned(), pointer });
            }
            (_, Some(known)) => known,
            (Some(asked), None) => std::path::absolute(asked).unwrap_or_else(|_| asked.to_owned()),
            (None, None) => git_dir.join("dispatch"),
        };
        Ok(Self { root })
    }

    /// The state folder that is named, whichever repository it belongs to.
    pub fn at(root: &Path) -> Self {
        Self { root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()) }
    }

    /// Makes the folder and what belongs in it, and points the repository at it.
    ///
    /// # Errors
    /// [`StateDirError::Unwritable`].
    pub fn create(&self, git_dir: &Path) -> Result<(), StateDirError> {
        for folder in [self.root.clone(), self.locks(), self.spools(), self.runs(), self.snapshots()] {
            private(&folder)?;
        }
        let pointer = pointer(git_dir);
        if !pointer.exists() {
            let folder = git_dir.join("dispatch");
            private(&folder)?;
            let text = format!("{}\n", self.root.display());
            durable::write_file(&pointer, text.as_bytes(), 0o600)
                .map_err(|error| StateDirError::Unwritable { path: pointer, source: io::Error::other(error) })?;
        }
        Ok(())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lock files, one a resource.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// Finished records that wait for publication, and published ones for seven days.
    pub fn spools(&self) -> PathBuf {
        self.root.join("spool")
    }

    /// The finished record of a request.
    pub fn spool(&self, id: RequestId) -> PathBuf {
        self.spools().join(id.to_string())
    }

    /// What of a request's outcome was not published, whole and for good.
    pub fn kept(&self, id: RequestId) -> PathBuf {
        self.root.join("kept").join(id.to_string())
    }

    /// Scratch folders of attempts.
    pub fn runs(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The scratch folder of one attempt.
    pub fn run(&self, id: RequestId, attempt: u32) -> PathBuf {
        self.runs().join(format!("{id}.{attempt}"))
    }

    /// Where the folders of handlers lie that have no view of their own and run as another user than the dispatcher: beside
    /// the state folder, which is closed to them. Made where it is needed.
    pub fn open(&self) -> PathBuf {
        let mut name = self.root.file_name().unwrap_or_default().to_owned();
        name.push(".open");
        self.root.with_file_name(name)
    }

    /// Materialised trees.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// What the last pass saw, for the reading faces.
    pub fn seen(&self) -> PathBuf {
        self.root.join("status.json")
    }

    /// The time of this file is the conductor's last sign of life.
    pub fn alive(&self) -> PathBuf {
        self.root.join("alive")
    }

    /// While this file exists nothing is started.
    pub fn paused(&self) -> PathBuf {
        self.root.join("paused")
    }
}

fn pointer(git_dir: &Path) -> PathBuf {
    git_dir.join("dispatch/state")
}

fn same(a: &Path, b: &Path) -> bool {
    let whole =
        |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    whole(a) == whole(b)
}

fn private(folder: &Path) -> Result<(), StateDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| StateDirError::Unwritable { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_choice_holds_and_another_is_refused() {
        let folder = tempfile::tempdir().expect("temp folder");
        let git = folder.path().join(".git");
        let first = folder.path().join("one");
        let chosen = StateDir::locate(&git, Some(&first)).expect("free choice");
        chosen.create(&git).expect("made");
        assert_eq!(StateDir::locate(&git, None).expect("follows the pointer"), chosen);
        let other = folder.path().join("two");
        assert!(matches!(StateDir::locate(&git, Some(&other)), Err(StateDirError::Other { .. })));
    }

    #[test]
    fn without_a_choice_it_lies_in_the_git_folder() {
        let folder = tempfile::tempdir().expect("temp folder");
        let chosen = StateDir::locate(folder.path(), None).expect("default");
        assert_eq!(chosen.root(), folder.path().join("dispatch"));
        assert!(!chosen.root().exists());
    }
}
