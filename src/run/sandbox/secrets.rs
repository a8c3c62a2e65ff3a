//! The secrets of a job without a mount namespace: files of the job's user, removed when it ends.
//!
//! Owns their making and their removal, which happens twice: the supervisor removes them when the job has ended (or the dispatcher has), and the
//! dispatcher once more when it sees the job gone (or the supervisor killed). Never: chooses the place; the caller names a folder that only it
//! and the job can reach, best on a tmpfs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use super::User;
use super::wire::{Fault, Job, Step};

const LAYER: &str = "secrets";

/// Files that are removed on drop, and the folder where it was made for them.
pub(super) struct SecretFiles {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl SecretFiles {
    pub(super) fn write(job: &Job) -> Result<Self, Fault> {
        let mut written = Self { files: Vec::new(), folder: None };
        if job.secrets.is_empty() {
            return Ok(written);
        }
        let folder = &job.secrets_dir;
        let (uid, gid) = User::ids(job.user);
        if !folder.exists() {
            let doing = || format!("making {}", folder.display());
            nix::unistd::mkdir(folder, Mode::S_IRWXU).step(LAYER, doing)?;
            written.folder = Some(folder.clone());
            chown(folder, uid, gid).step(LAYER, doing)?;
        }
        for (name, bytes) in &job.secrets {
            let path = folder.join(name);
            let doing = || format!("writing {}", path.display());
            // Left by one that was killed.
            let _ = fs::remove_file(&path);
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o400);
            let mut file = options.open(&path).step(LAYER, doing)?;
            written.files.push(path.clone());
            file.write_all(bytes).step(LAYER, doing)?;
            fchown(&file, uid, gid).step(LAYER, doing)?;
        }
        Ok(written)
    }

    /// Those that a supervisor is about to write, for the dispatcher, which may outlive it.
    pub(super) fn expected<'a>(folder: &Path, names: impl Iterator<Item = &'a String>) -> Self {
        let files: Vec<PathBuf> = names.map(|name| folder.join(name)).collect();
        let made = !files.is_empty() && !folder.exists();
        Self { files, folder: made.then(|| folder.to_owned()) }
    }
}

impl Drop for SecretFiles {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir(folder);
        }
    }
}
