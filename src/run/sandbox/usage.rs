//! How much a folder holds while a job may be writing in it.
//!
//! Owns the measure that stands in for a size where a folder lies on a disk that has none of its own. It follows no link, opens no file and
//! crosses no mount; what disappears meanwhile counts as it did. Never: ends anything.

use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;

/// What `st_blocks` counts in, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;
/// A file costs at least this, empty ones too: otherwise names alone could fill a disk.
const FILE_BYTES_MIN: u64 = 4096;

/// Folders below each other that are looked into. Each may cost an open descriptor, and the dispatcher's are counted.
const DEPTH_MAX: usize = 64;

/// The bytes that a folder takes on its disk. Stops once it has seen more than `enough`; what is too deep to be measured is more.
pub fn bytes_below(folder: &Path, enough: u64) -> u64 {
    let Ok(root) = open(CWD, folder, ResolveFlags::empty()) else {
        return 0;
    };
    let mut seen = 0;
    // Folders by name and the open one they are in: however many lie beside each other, only those above the present one are open.
    let mut waiting = Vec::new();
    let mut next = Some((root, 0));
    while let Some((folder, depth)) = next {
        let folder = Rc::new(folder);
        for entry in Dir::read_from(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(found) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let blocks = u64::try_from(found.st_blocks).unwrap_or(0);
            seen += (blocks * BLOCK_BYTES).max(FILE_BYTES_MIN);
            if seen > enough {
                return seen;
            }
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                if depth == DEPTH_MAX {
                    return u64::MAX;
                }
                waiting.push((Rc::clone(&folder), name.to_owned(), depth + 1));
            }
        }
        next = None;
        while let (None, Some((above, name, depth))) = (&next, waiting.pop()) {
            next = open_whatever_its_mode(&above, &name).ok().map(|folder| (folder, depth));
        }
    }
    seen
}

/// An ordinary user's handler is that user, and may have closed a folder to itself and to us: it stays open, for each look into it
/// asks again.
fn open_whatever_its_mode(above: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match open(above, name, beneath) {
        Err(Errno::ACCESS) => {}
        opened => return Ok(opened?),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat2(above, name, flags, Mode::empty(), beneath)?;
    // By descriptor: it is this folder whatever the handler puts in its place.
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let mode = fs::metadata(&path)?.permissions().mode();
    fs::set_permissions(&path, Permissions::from_mode(mode | 0o500))?;
    let opened = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    Ok(opened?)
}

fn open(at: impl AsFd, path: impl rustix::path::Arg, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(at, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_count_by_what_they_take_and_links_do_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir_all(inside.join("deep")).unwrap();
        fs::write(folder.path().join("outside"), vec![1; 1 << 20]).unwrap();
        symlink(folder.path(), inside.join("link")).unwrap();
        let before = bytes_below(&inside, u64::MAX);
        assert!(before < 1 << 20, "{before}");
        fs::write(inside.join("deep/file"), vec![1; 1 << 20]).unwrap();
        let after = bytes_below(&inside, u64::MAX);
        assert!(after >= before + (1 << 20), "{before} {after}");
        // A sparse file takes nothing, and its length is no measure.
        fs::File::create(inside.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        assert!(bytes_below(&inside, u64::MAX) < after + (1 << 20));
    }

    #[test]
    fn it_stops_when_it_has_seen_enough() {
        let folder = tempfile::tempdir().unwrap();
        for name in 0..100 {
            fs::write(folder.path().join(name.to_string()), "").unwrap();
        }
        let seen = bytes_below(folder.path(), 10 * FILE_BYTES_MIN);
        assert_eq!(seen, 11 * FILE_BYTES_MIN);
        assert_eq!(bytes_below(&folder.path().join("missing"), 0), 0);
    }

    #[test]
    fn what_lies_behind_many_deep_or_closed_folders_counts() {
        let folder = tempfile::tempdir().unwrap();
        for name in 0..2000 {
            fs::create_dir(folder.path().join(name.to_string())).unwrap();
        }
        let closed = folder.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("file"), vec![1; 1 << 20]).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o300)).unwrap();
        assert!(bytes_below(folder.path(), u64::MAX) >= 2001 * FILE_BYTES_MIN + (1 << 20));
        fs::create_dir_all(folder.path().join("d/".repeat(DEPTH_MAX + 2))).unwrap();
        assert_eq!(bytes_below(folder.path(), u64::MAX - 1), u64::MAX);
    }
}
