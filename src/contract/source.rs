//! Where the files of a repository are read: a commit, or the index or work tree that a commit may be made of. All are looked at with the
//! same eyes, so that `check` says of a file that is not committed yet what the dispatcher will say of it.
//!
//! Owns the reading of a folder as git would store it: symbolic links are entries and never followed, a folder with a `.git` of its
//! own is a submodule, a file whose attributes send it to Git LFS begins as its pointer, an empty folder and what is neither file, link nor
//! folder is not there. Never writes anything. What `.gitignore` and other filters do to files is not looked at.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, statat};
use rustix::io::Errno;

use crate::repo::{
    BlobAt, LFS_POINTER, MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, MODE_GITLINK, MODE_LINK, Oid, Repo, RepoError,
    Staged, TreeEntry, is_kept_in_lfs,
};

/// A tree of files. Paths are relative to its root, and the empty path is the root.
pub trait Source {
    /// The commit; for a work tree [`nothing`].
    fn commit(&self) -> Oid;

    /// What stands at a path; `None` where nothing does.
    ///
    /// # Errors
    /// [`RepoError`] where it cannot be looked at.
    fn entry(&self, path: &[u8]) -> Result<Option<TreeEntry>, RepoError>;

    /// What stands in a folder, in git's order; empty where there is no such folder.
    ///
    /// # Errors
    /// As [`Source::entry`].
    fn entries(&self, folder: &[u8]) -> Result<Vec<TreeEntry>, RepoError>;

    /// The file at a path, with its bytes where there are at most `bytes_max`; `None` where no file is.
    ///
    /// # Errors
    /// As [`Source::entry`].
    fn file(&self, path: &[u8], bytes_max: u64) -> Result<Option<BlobAt>, RepoError>;

    /// The first bytes of the file at a path, at most `bytes_max`; empty where no file is.
    ///
    /// # Errors
    /// As [`Source::entry`].
    fn head(&self, path: &[u8], bytes_max: usize) -> Result<Vec<u8>, RepoError>;
}

/// The id that git writes where there is no object: files of a work tree have none.
///
/// # Panics
/// Never: the text is an id.
pub fn nothing() -> Oid {
    "0000000000000000000000000000000000000000".parse().expect("forty hexadecimal digits")
}

/// The tree of a commit.
pub struct Commit<'a> {
    repo: &'a Repo,
    commit: Oid,
}

impl<'a> Commit<'a> {
    /// The tree of that commit.
    pub fn new(repo: &'a Repo, commit: Oid) -> Self {
        Self { repo, commit }
    }
}

impl Source for Commit<'_> {
    fn commit(&self) -> Oid {
        self.commit
    }

    fn entry(&self, path: &[u8]) -> Result<Option<TreeEntry>, RepoError> {
        self.repo.entry_at(self.commit, path)
    }

    fn entries(&self, folder: &[u8]) -> Result<Vec<TreeEntry>, RepoError> {
        self.repo.tree_entries(self.commit, folder)
    }

    fn file(&self, path: &[u8], bytes_max: u64) -> Result<Option<BlobAt>, RepoError> {
        self.repo.blob_at(self.commit, path, bytes_max)
    }

    fn head(&self, path: &[u8], bytes_max: usize) -> Result<Vec<u8>, RepoError> {
        match self.repo.entry_at(self.commit, path)? {
            Some(entry) if is_file(entry.mode) => self.repo.head(entry.oid, bytes_max),
            _ => Ok(Vec::new()),
        }
    }
}

/// The tree that `git commit` would make now. It has no id of its own yet; its files have.
pub struct Index<'a> {
    repo: &'a Repo,
    staged: Staged,
}

impl<'a> Index<'a> {
    /// What was staged in that repository.
    pub fn new(repo: &'a Repo, staged: Staged) -> Self {
        Self { repo, staged }
    }
}

impl Source for Index<'_> {
    fn commit(&self) -> Oid {
        nothing()
    }

    fn entry(&self, path: &[u8]) -> Result<Option<TreeEntry>, RepoError> {
        Ok(self.staged.entry(path))
    }

    fn entries(&self, folder: &[u8]) -> Result<Vec<TreeEntry>, RepoError> {
        Ok(self.staged.entries(folder))
    }

    fn file(&self, path: &[u8], bytes_max: u64) -> Result<Option<BlobAt>, RepoError> {
        let Some(entry) = self.staged.entry(path).filter(|entry| is_file(entry.mode)) else { return Ok(None) };
        let (size, bytes) = self.repo.blob(entry.oid, bytes_max)?;
        Ok(Some(BlobAt { oid: entry.oid, mode: entry.mode, size, bytes }))
    }

    fn head(&self, path: &[u8], bytes_max: usize) -> Result<Vec<u8>, RepoError> {
        match self.staged.entry(path).filter(|entry| is_file(entry.mode)) {
            Some(entry) => self.repo.head(entry.oid, bytes_max),
            None => Ok(Vec::new()),
        }
    }
}

/// A folder of this machine, as git would store it.
pub struct Folder {
    top: PathBuf,
    root: OwnedFd,
}

impl Folder {
    /// Opens the folder itself; its own path may lead over symbolic links, what lies below may not.
    ///
    /// # Errors
    /// [`RepoError::File`] where it cannot be opened.
    pub fn open(top: &Path) -> Result<Self, RepoError> {
        let opened = rustix::fs::open(top, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let root = opened.map_err(|error| failed("opening", top, error))?;
        Ok(Self { top: top.to_owned(), root })
    }

    /// Opens what stands at a path without following any link; `None` where nothing does.
    fn below(&self, path: &[u8], flags: OFlags) -> Result<Option<OwnedFd>, RepoError> {
        let name = if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) };
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        if path.contains(&0) {
            return Ok(None);
        }
        match openat2(&self.root, name, flags | OFlags::CLOEXEC, Mode::empty(), within) {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::NAMETOOLONG) => {
                Ok(None)
            }
            Err(error) => Err(failed("opening", &self.whole(path), error)),
        }
    }

    /// Mode as git would store it; `None` for what git does not store.
    fn mode_at(&self, folder: &OwnedFd, place: &[u8], name: &[u8]) -> Result<Option<u32>, RepoError> {
        let name = OsStr::from_bytes(name);
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(failed("looking at", &self.whole(place).join(name), error)),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(file_mode(&stat)),
            FileType::Symlink => Some(MODE_LINK),
            FileType::Directory => {
                let own_git = Path::new(name).join(".git");
                let is_module = statat(folder, &own_git, AtFlags::SYMLINK_NOFOLLOW).is_ok();
                Some(if is_module { MODE_GITLINK } else { MODE_FOLDER })
            }
            _ => None,
        })
    }

    /// Names in a folder, unsorted; `None` where there is no such folder.
    fn names(&self, folder: &[u8]) -> Result<Option<Vec<Vec<u8>>>, RepoError> {
        let Some(open) = self.below(folder, OFlags::RDONLY | OFlags::DIRECTORY)? else { return Ok(None) };
        let fault = |error| failed("listing", &self.whole(folder), error);
        let mut names = Vec::new();
        for item in Dir::read_from(open.as_fd()).map_err(fault)? {
            let item = item.map_err(fault)?;
            let name = item.file_name().to_bytes();
            if !matches!(name, b"." | b".." | b".git") {
                names.push(name.to_vec());
            }
        }
        Ok(Some(names))
    }

    fn open_file(&self, path: &[u8]) -> Result<Option<(File, Stat)>, RepoError> {
        // NONBLOCK: opening a FIFO that nobody writes to must not wait.
        let Some(open) = self.below(path, OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK)? else { return Ok(None) };
        let stat = fstat(&open).map_err(|error| failed("looking at", &self.whole(path), error))?;
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(plain.then(|| (File::from(open), stat)))
    }

    fn whole(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }
}

impl Source for Folder {
    fn commit(&self) -> Oid {
        nothing()
    }

    fn entry(&self, path: &[u8]) -> Result<Option<TreeEntry>, RepoError> {
        let (place, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b""[..], path),
        };
        if name.is_empty() {
            return Ok(Some(TreeEntry { name: Vec::new(), mode: MODE_FOLDER, oid: nothing() }));
        }
        let Some(folder) = self.below(place, OFlags::PATH | OFlags::DIRECTORY)? else { return Ok(None) };
        let mode = self.mode_at(&folder, place, name)?;
        Ok(mode.map(|mode| TreeEntry { name: name.to_vec(), mode, oid: nothing() }))
    }

    fn entries(&self, folder: &[u8]) -> Result<Vec<TreeEntry>, RepoError> {
        let Some(names) = self.names(folder)? else { return Ok(Vec::new()) };
        let Some(open) = self.below(folder, OFlags::PATH | OFlags::DIRECTORY)? else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for name in names {
            let Some(mode) = self.mode_at(&open, folder, &name)? else { continue };
            let inside = || self.names(&[folder, b"/", &name].concat());
            if mode == MODE_FOLDER && inside()?.is_none_or(|names| names.is_empty()) {
                continue;
            }
            entries.push(TreeEntry { name, mode, oid: nothing() });
        }
        entries.sort_by_key(|entry| {
            let mut key = entry.name.clone();
            // As git sorts: a folder stands where its files would.
            key.extend((entry.mode == MODE_FOLDER).then_some(b'/'));
            key
        });
        Ok(entries)
    }

    fn file(&self, path: &[u8], bytes_max: u64) -> Result<Option<BlobAt>, RepoError> {
        let Some((file, stat)) = self.open_file(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| failed("reading", &self.whole(path), error))?;
        let length = bytes.len() as u64;
        let fits = length <= bytes_max;
        // A file that grows under the reader: what was read counts.
        let size = if fits { length } else { length.max(u64::try_from(stat.st_size).unwrap_or(0)) };
        Ok(Some(BlobAt { oid: nothing(), mode: file_mode(&stat), size, bytes: fits.then_some(bytes) }))
    }

    fn head(&self, path: &[u8], bytes_max: usize) -> Result<Vec<u8>, RepoError> {
        let Some((file, _)) = self.open_file(path)? else { return Ok(Vec::new()) };
        if is_kept_in_lfs(&self.top, path) {
            return Ok(LFS_POINTER[..LFS_POINTER.len().min(bytes_max)].to_vec());
        }
        let mut bytes = Vec::new();
        let read = file.take(bytes_max as u64).read_to_end(&mut bytes);
        read.map_err(|error| failed("reading", &self.whole(path), error))?;
        Ok(bytes)
    }
}

fn is_file(mode: u32) -> bool {
    !matches!(mode, MODE_FOLDER | MODE_GITLINK | MODE_LINK)
}

fn file_mode(stat: &Stat) -> u32 {
    if stat.st_mode & 0o100 == 0 { MODE_FILE } else { MODE_EXECUTABLE }
}

fn failed(operation: &'static str, path: &Path, error: impl Into<io::Error>) -> RepoError {
    RepoError::File { operation, path: path.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn modes(folder: &Folder, place: &str) -> Vec<(String, u32)> {
        let entries = folder.entries(place.as_bytes()).expect("a readable folder");
        entries.into_iter().map(|entry| (String::from_utf8(entry.name).expect("text"), entry.mode)).collect()
    }

    #[test]
    fn a_folder_is_seen_as_git_would_store_it() {
        let temp = tempfile::tempdir().expect("temp folder");
        let top = temp.path();
        fs::create_dir_all(top.join("in/team")).expect("folder");
        fs::create_dir_all(top.join("in/module.yml/.git")).expect("folder");
        fs::create_dir(top.join("in/empty")).expect("folder");
        fs::write(top.join("in/team/a.yml"), "kind: x\n").expect("file");
        fs::write(top.join("in/team.yml"), "kind: x\n").expect("file");
        symlink("../outside", top.join("in/link.yml")).expect("link");
        let folder = Folder::open(top).expect("open");
        let seen = modes(&folder, "in");
        let expected =
            [("link.yml", MODE_LINK), ("module.yml", MODE_GITLINK), ("team.yml", MODE_FILE), ("team", MODE_FOLDER)];
        assert_eq!(seen, expected.map(|(name, mode)| (name.to_owned(), mode)));
        assert_eq!(modes(&folder, "nowhere"), []);
    }

    #[test]
    fn no_link_is_followed_anywhere_on_the_way() {
        let temp = tempfile::tempdir().expect("temp folder");
        let (top, outside) = (temp.path().join("top"), temp.path().join("outside"));
        for folder in [&top, &outside] {
            fs::create_dir(folder).expect("folder");
        }
        fs::write(outside.join("secret"), "secret").expect("file");
        symlink(&outside, top.join("way")).expect("link");
        symlink(outside.join("secret"), top.join("file")).expect("link");
        let folder = Folder::open(&top).expect("open");
        for path in ["way/secret", "file", "../outside/secret"] {
            assert_eq!(folder.file(path.as_bytes(), 100).expect("looked at"), None, "{path}");
            assert_eq!(folder.head(path.as_bytes(), 100).expect("looked at"), b"", "{path}");
        }
        assert!(folder.entry(b"way/secret").expect("looked at").is_none());
        assert_eq!(folder.entry(b"file").expect("looked at").map(|entry| entry.mode), Some(MODE_LINK));
        assert_eq!(modes(&folder, "way"), []);
    }

    #[test]
    fn what_git_would_send_to_lfs_begins_as_its_pointer() {
        let temp = tempfile::tempdir().expect("temp folder");
        fs::create_dir(temp.path().join("in")).expect("folder");
        fs::write(temp.path().join("in/a.py"), "#!/bin/sh\n").expect("file");
        fs::write(temp.path().join(".gitattributes"), "*.py filter=lfs diff=lfs merge=lfs -text\n").expect("file");
        let folder = Folder::open(temp.path()).expect("open");
        assert_eq!(folder.head(b"in/a.py", 100).expect("read"), b"#!/bin/sh\n", "no repository, no attributes");
        git2::Repository::init(temp.path()).expect("init");
        assert_eq!(folder.head(b"in/a.py", 100).expect("read"), LFS_POINTER);
        fs::write(temp.path().join("in/.gitattributes"), "a.py -filter\n").expect("file");
        assert_eq!(folder.head(b"in/a.py", 100).expect("read"), b"#!/bin/sh\n");
    }

    #[test]
    fn reading_is_capped() {
        let temp = tempfile::tempdir().expect("temp folder");
        fs::write(temp.path().join("a"), "123456").expect("file");
        let folder = Folder::open(temp.path()).expect("open");
        let read = |most| folder.file(b"a", most).expect("read").expect("there");
        assert_eq!((read(6).size, read(6).bytes.as_deref()), (6, Some(&b"123456"[..])));
        assert_eq!((read(5).size, read(5).bytes), (6, None));
        assert_eq!(folder.head(b"a", 2).expect("read"), b"12");
    }
}
