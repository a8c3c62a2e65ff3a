//! How much a folder holds while a job may be writing in it.
//!
//! Owns the measure that stands in for a size where a folder lies on a disk that has none of its own. It follows no link, opens no file and
//! crosses no mount; what disappears meanwhile counts as it did. Never: ends anything.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};

/// What `st_blocks` counts in, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;
/// A file costs at least this, empty ones too: otherwise names alone could fill a disk.
const FILE_BYTES_MIN: u64 = 4096;

/// The bytes that a folder takes on its disk. Stops once it has seen more than `enough`.
pub fn bytes_below(folder: &Path, enough: u64) -> u64 {
    let Ok(root) = open(CWD, folder, ResolveFlags::empty()) else {
        return 0;
    };
    let mut seen = 0;
    let mut open_folders = vec![root];
    while let Some(folder) = open_folders.pop() {
        let Ok(entries) = Dir::read_from(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(found) = statat(&folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let blocks = u64::try_from(found.st_blocks).unwrap_or(0);
            seen += (blocks * BLOCK_BYTES).max(FILE_BYTES_MIN);
            if seen > enough {
                return seen;
            }
            if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
                let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
                open_folders.extend(open(&folder, name, beneath));
            }
        }
    }
    seen
}

fn open(at: impl AsFd, path: impl rustix::path::Arg, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(at, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::fs;
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
}
