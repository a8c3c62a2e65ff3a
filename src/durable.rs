//! Bytes that must survive a power cut: files that appear whole, folders and trees brought to the disk.
//!
//! Owns the order temp, write, sync, rename, sync the folder. Never retries a failed sync: after one the
//! kernel may have dropped the pages and a second call would say "done" of data that is gone, so
//! [`Error::Sync`] means stop.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::planted::{self, Bug};

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A step before or beside syncing failed (no room, no permission, ...). Nothing is half there; may be tried again.
    #[error("{operation} `{}`", path.display())]
    Io {
        /// What was being done, as in "writing".
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The disk could not confirm. What the file holds is unknown; never try again, stop.
    #[error("syncing `{}` to disk", path.display())]
    Sync {
        /// What was being synced.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
    /// True where the disk is full or a quota is used up.
    pub fn is_no_space(&self) -> bool {
        let (Self::Io { source, .. } | Self::Sync { source, .. }) = self;
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Writes a file so that after any crash either the old content, the new one or (where there was none)
/// nothing is there. `mode` is the permission bits of the new file.
///
/// # Errors
/// [`Error::Io`]: the old file stands untouched. [`Error::Sync`]: the new name may or may not be durable.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let folder = folder_of(path);
    let mut temp = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(folder)
        .map_err(io_error("creating a temporary file in", folder))?;
    temp.write_all(bytes).map_err(io_error("writing", path))?;
    temp.as_file().set_permissions(Permissions::from_mode(mode)).map_err(io_error("setting the mode of", path))?;
    sync_open(temp.as_file(), path)?;
    temp.persist(path).map_err(|fault| io_error("renaming into place", path)(fault.error))?;
    sync_folder(folder)
}

/// Removes a file and makes that durable. A file that is not there is no fault.
///
/// # Errors
/// [`Error::Io`] where it cannot be removed, [`Error::Sync`] where its folder cannot be synced.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(io_error("removing", path)(fault)),
    }
}

/// Makes a folder and those above it that are missing, each durable in its parent. `mode` is for the new ones.
/// One that is there already is left as it is.
///
/// # Errors
/// [`Error::Io`] where one cannot be made, [`Error::Sync`] where one cannot be synced.
pub fn create_folder(path: &Path, mode: u32) -> Result<(), Error> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        match fs::DirBuilder::new().mode(mode).create(folder) {
            Ok(()) => {}
            // Somebody else made it in between: as good.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(fault) => return Err(io_error("creating folder", folder)(fault)),
        }
        sync_folder(folder)?;
        sync_folder(folder_of(folder))?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
/// [`Error::Io`] where it cannot be opened, [`Error::Sync`] where it cannot be synced.
pub fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = open(path, OFlags::DIRECTORY)?;
    sync_open(&folder, path)
}

/// Makes one file's content durable. The last part of the path is not followed if it is a link.
///
/// # Errors
/// [`Error::Io`] where it cannot be opened, [`Error::Sync`] where it cannot be synced.
pub fn sync_file(path: &Path) -> Result<(), Error> {
    sync_open(&open(path, OFlags::empty())?, path)
}

/// Makes a folder and all that lies in it durable: files first, then each folder after what it holds, then the
/// folder's own name in its parent. Links are not followed; what is neither file nor folder has nothing to sync.
/// For trees of the dispatcher's own that nobody else writes.
///
/// # Errors
/// [`Error::Io`] where something cannot be read, [`Error::Sync`] where something cannot be synced.
pub fn sync_tree(root: &Path) -> Result<(), Error> {
    // Parents before children, so that the reverse is bottom up; a list, because depth is not ours to bound.
    let mut folders = vec![root.to_path_buf()];
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        next += 1;
        let reading = io_error("reading folder", &folder);
        for entry in fs::read_dir(&folder).map_err(&reading)? {
            let entry = entry.map_err(&reading)?;
            let kind = entry.file_type().map_err(&reading)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                sync_file(&entry.path())?;
            }
        }
    }
    folders.iter().rev().try_for_each(|folder| sync_folder(folder))?;
    sync_folder(folder_of(root))
}

/// Makes everything on the file system that holds `path` durable, in one call: for many small files.
///
/// # Errors
/// [`Error::Io`] where it cannot be opened, [`Error::Sync`] where the disk reports a fault.
pub fn sync_filesystem(path: &Path) -> Result<(), Error> {
    let file = open(path, OFlags::empty())?;
    if planted::is(Bug::RetriedSync) && rustix::fs::syncfs(&file).is_ok() {
        return Ok(());
    }
    rustix::fs::syncfs(&file).map_err(sync_error(path))
}

fn open(path: &Path, flags: OFlags) -> Result<File, Error> {
    // Not blocking and not following: a FIFO or a link where a file should be must neither hang nor lead away.
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(io_error("opening", path))
}

fn sync_open(file: &File, path: &Path) -> Result<(), Error> {
    file.sync_all().map_err(sync_error(path))
}

/// The folder that holds a path's last part; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { operation, path: path.clone(), source }
}

fn sync_error<E: Into<io::Error>>(path: &Path) -> impl Fn(E) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Sync { path: path.clone(), source: source.into() }
}

/// What a user may still put on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeRoom {
    /// Bytes.
    pub bytes: u64,
    /// Files and folders; `None` where the file system does not count them, and says 0 of 0.
    pub files: Option<u64>,
}

/// What this user may still put on the file system that holds `path`.
///
/// # Errors
/// [`Error::Io`] where the file system cannot be asked.
pub fn free_room(path: &Path) -> Result<FreeRoom, Error> {
    let room = rustix::fs::statvfs(path).map_err(|fault| io_error("asking for free room at", path)(fault.into()))?;
    let files = (room.f_files > 0).then_some(room.f_favail);
    Ok(FreeRoom { bytes: room.f_bavail.saturating_mul(room.f_frsize), files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("status.yml");
        for content in [&b"one"[..], b"", b"three"] {
            write_file(&path, content, 0o640).expect("written");
            assert_eq!(fs::read(&path).expect("read"), content);
        }
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o640);
        assert_eq!(names(folder.path()), ["status.yml"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_names_the_path() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("folder in the way");
        let fault = write_file(&path, b"new", 0o600).expect_err("a folder cannot be replaced");
        assert!(fault.to_string().contains("taken"), "{fault}");
        assert!(fault.source().is_some());
        assert!(matches!(fault, Error::Io { .. }));
        assert_eq!(names(folder.path()), ["taken"]);

        let fault = write_file(&folder.path().join("none/file"), b"", 0o600).expect_err("no such folder");
        assert!(fault.to_string().contains("none"), "{fault}");
    }

    #[test]
    fn a_link_is_replaced_and_never_written_through() {
        let folder = tempfile::tempdir().expect("folder");
        let (precious, link) = (folder.path().join("precious"), folder.path().join("link"));
        fs::write(&precious, "old").expect("written");
        symlink(&precious, &link).expect("linked");
        write_file(&link, b"new", 0o600).expect("written");
        assert_eq!(fs::read(&precious).expect("read"), b"old");
        assert!(fs::symlink_metadata(&link).expect("there").is_file());
    }

    #[test]
    fn folders_are_made_with_their_parents_and_may_be_there() {
        let folder = tempfile::tempdir().expect("folder");
        let deep = folder.path().join("a/b/c");
        create_folder(&deep, 0o700).expect("made");
        create_folder(&deep, 0o755).expect("there already");
        assert_eq!(fs::metadata(&deep).expect("there").mode() & 0o777, 0o700);
        fs::write(deep.join("file"), "").expect("written");
        assert!(create_folder(&deep.join("file/under"), 0o700).is_err());
    }

    #[test]
    fn a_tree_with_odd_things_is_synced_without_following_or_hanging() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().join("root");
        create_folder(&root.join("sub/deeper"), 0o700).expect("made");
        fs::write(root.join("sub/file"), "content").expect("written");
        symlink("/nowhere/at/all", root.join("dangling")).expect("linked");
        symlink(&root, root.join("sub/loop")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("fifo");
        sync_tree(&root).expect("synced");
        sync_filesystem(&root).expect("synced");
        assert!(sync_file(&root.join("dangling")).is_err());
        assert!(sync_tree(&root.join("missing")).is_err());
    }

    #[test]
    fn removing_twice_is_as_good_as_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("gone");
        fs::write(&path, "").expect("written");
        remove_file(&path).expect("removed");
        remove_file(&path).expect("nothing to do");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_full_disk_is_told_from_other_faults() {
        let fault = |kind| io_error("writing", Path::new("x"))(io::Error::from(kind));
        assert!(fault(io::ErrorKind::StorageFull).is_no_space());
        assert!(!fault(io::ErrorKind::PermissionDenied).is_no_space());
    }
}
