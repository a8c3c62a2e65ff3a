//! A folder as it stands at one moment, kept as a copy that it can be made again from.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::memory;

/// A copy of a folder with everything in it.
pub fn copy_of(folder: &Path) -> io::Result<TempDir> {
    let copy = tempfile::Builder::new().prefix("dispatch-frozen-").tempdir_in(memory::place())?;
    copy_all(folder, copy.path())?;
    Ok(copy)
}

/// Makes a folder what the copy is.
pub fn put_back(copy: &TempDir, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    copy_all(copy.path(), folder)
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("cp ended with {status}"))) }
}
