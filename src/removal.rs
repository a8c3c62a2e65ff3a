//! Removing what a handler has left.
//!
//! Owns one walk that no tree can wear out: folders are moved up to the top before they are emptied, so that neither the stack nor the number of
//! open descriptors grows with their depth, and rights that a handler took away are given back. It follows no link. Never: decides what goes.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// What a folder is called that waits to be emptied. Whatever else has such a name is emptied too.
const WAITING: &str = ".waiting-";

/// Removes whatever stands at a place, itself and never what it leads to.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    remove_tree_at(CWD, path)
}

/// The same, relative to an open folder.
pub fn remove_tree_at(at: impl AsFd, path: &Path) -> io::Result<()> {
    match statat(&at, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::Directory => {
            return Ok(unlinkat(&at, path, AtFlags::empty())?);
        }
        _ => {}
    }
    let top = open_folder(&at, path)?;
    let mut waiting = 0_u64;
    loop {
        let folders = clear(&top, None, &mut waiting)?;
        if folders.is_empty() {
            return Ok(unlinkat(&at, path, AtFlags::REMOVEDIR)?);
        }
        for name in folders {
            let folder = open_folder(&top, name.as_c_str())?;
            clear(&folder, Some(&top), &mut waiting)?;
            unlinkat(&top, name.as_c_str(), AtFlags::REMOVEDIR)?;
        }
    }
}

/// Removes what is no folder. Folders are moved to `up`, or listed where they stay.
fn clear(folder: &OwnedFd, up: Option<&OwnedFd>, waiting: &mut u64) -> io::Result<Vec<CString>> {
    let mut folders = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) != FileType::Directory {
            unlinkat(folder, name, AtFlags::empty())?;
            continue;
        }
        match up {
            None => folders.push(name.to_owned()),
            Some(up) => move_up(folder, name, up, waiting)?,
        }
    }
    Ok(folders)
}

fn move_up(folder: &OwnedFd, name: &CStr, up: &OwnedFd, waiting: &mut u64) -> io::Result<()> {
    let mut opened = false;
    loop {
        *waiting += 1;
        match renameat(folder, name, up, format!("{WAITING}{waiting}")) {
            // A folder is moved only by who may write in it.
            Err(Errno::ACCESS) if !opened => {
                chmodat(folder, name, Mode::RWXU, AtFlags::empty())?;
                opened = true;
            }
            // The handler's own: the next number.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            moved => return Ok(moved?),
        }
    }
}

/// Opens a folder that is ours. Rights that we lack we give ourselves; root lacks none, and so changes nothing that a name leads to.
fn open_folder(at: impl AsFd, path: impl rustix::path::Arg + Copy) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = statat(&at, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let closed = Mode::from_raw_mode(found.st_mode) & Mode::RWXU != Mode::RWXU;
    if closed && !rustix::process::geteuid().is_root() {
        chmodat(&at, path, Mode::RWXU, AtFlags::empty())?;
    }
    Ok(openat(at, path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn no_depth_is_too_deep() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut here = open_folder(CWD, tree.as_path()).unwrap();
        for _ in 0..5_000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = open_folder(&here, c"d").unwrap();
        }
        drop(here);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn links_lead_nowhere_and_rights_are_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        fs::create_dir_all(tree.join("closed/deep/er")).unwrap();
        fs::create_dir_all(tree.join(format!("{WAITING}1/x"))).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, tree.join("closed/deep/link")).unwrap();
        for closed in ["closed/deep/er", "closed/deep", "closed", ""] {
            fs::set_permissions(tree.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        let link = folder.path().join("link");
        symlink(&outside, &link).unwrap();
        remove_tree(&link).unwrap();
        assert!(outside.join("kept").exists() && fs::symlink_metadata(&link).is_err());
        remove_tree(&link).unwrap();
    }
}
