//! Writing into a tree that belongs to a handler's user, who may be at work in it: another run of the kind, or whoever else `run_as` is.
//!
//! Owns that nothing is followed on the way: each name is resolved by the kernel beneath the folder before it, and rights are changed by
//! descriptor. Never: decides what is written.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;

use super::sandbox::User;
use crate::removal::remove_tree_at;

/// Writes a file that is not there, with the folders above it.
pub(super) fn put(root: &Path, below: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = below.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let above = make(root, below.parent().unwrap_or(Path::new("")))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(&above, name, flags, Mode::from_raw_mode(0o644))?);
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o644))
}

/// A folder that the handler's user owns, with those above it.
pub(super) fn folder(root: &Path, below: &Path, owner: Option<User>) -> io::Result<()> {
    let folder = File::from(make(root, below)?);
    folder.set_permissions(Permissions::from_mode(0o755))?;
    let (uid, gid) = User::ids(owner);
    fchown(&folder, uid, gid)
}

/// Removes what stands at a place, and whatever is no folder on the way to it.
pub(super) fn clear_way(root: &Path, place: &Path) -> io::Result<()> {
    let mut here = openat(CWD, root, folder_flags(), Mode::empty())?;
    let mut names = names(place).peekable();
    while let Some(name) = names.next() {
        let name = name?;
        if names.peek().is_none() {
            return remove_tree_at(&here, name);
        }
        here = match step(&here, name) {
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::LOOP | Errno::NOTDIR) => return Ok(unlinkat(&here, name, AtFlags::empty())?),
            stepped => stepped?,
        };
    }
    Ok(())
}

fn make(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    let mut here = openat(CWD, root, folder_flags(), Mode::empty())?;
    for name in names(below) {
        let name = name?;
        here = match step(&here, name) {
            Err(Errno::NOENT) => {
                mkdirat(&here, name, Mode::from_raw_mode(0o755))?;
                let made = File::from(step(&here, name)?);
                // Whatever our umask is.
                made.set_permissions(Permissions::from_mode(0o755))?;
                made.into()
            }
            stepped => stepped?,
        };
    }
    Ok(here)
}

fn names(path: &Path) -> impl Iterator<Item = io::Result<&Path>> {
    path.components().map(|part| match part {
        Component::Normal(name) => Ok(Path::new(name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    })
}

fn step(here: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    openat2(here, name, folder_flags(), Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn links_on_the_way_are_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let (root, outside) = (base.path().join("root"), base.path().join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir_all(outside.join("in")).unwrap();
        fs::set_permissions(outside.join("in"), Permissions::from_mode(0o700)).unwrap();
        symlink(&outside, root.join("a")).unwrap();
        symlink(outside.join("in"), root.join("last")).unwrap();
        // What stands there when the way was cleared before: whoever is at work in it has put it back.
        put(&root, Path::new("a/x.yml"), b"x").unwrap_err();
        folder(&root, Path::new("a/in"), None).unwrap_err();
        folder(&root, Path::new("last"), None).unwrap_err();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::metadata(outside.join("in")).unwrap().mode() & 0o777, 0o700);
        clear_way(&root, Path::new("a/in")).unwrap();
        assert!(outside.join("in").exists() && fs::symlink_metadata(root.join("a")).is_err());
        put(&root, Path::new("a/in/x.yml"), b"x").unwrap();
        assert_eq!(fs::read(root.join("a/in/x.yml")).unwrap(), b"x");
        clear_way(&root, Path::new("a/in")).unwrap();
        assert!(root.join("a").exists() && !root.join("a/in").exists());
    }
}
