//! Files that a handler left in its log folder, brought into the spool.
//!
//! Owns which of them are taken and how they are opened. The folder belongs to somebody who may be hostile, and this
//! may run as root, so nothing in it is believed: every name is resolved by the kernel beneath the folder without
//! following any link, an entry is looked at before it is opened and again once it is open, and every count has an end.
//! Nothing in the folder is ever changed, and nothing read from it reaches the spool before it was searched for secrets.
//!
//! What is refused is no error: it becomes a line of [`Collected::skipped`].

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

pub use crate::record::Artifact;
use crate::record::visible;
use crate::redact::{Masker, Secrets};

mod names;

/// Folders below each other, the file itself counted.
pub const DEPTH_MAX: usize = 8;
/// Files taken in all.
pub const COUNT_MAX: usize = 1000;
/// Entries looked at in all, taken or not: a folder of millions must not hold anybody up.
const ENTRIES_MAX: usize = 4 * COUNT_MAX;
/// Lines of `skipped`; the rest is counted.
const SKIPPED_MAX: usize = 100;
/// The handler's own `status.yml` is read up to here; more makes it unusable.
const STATUS_BYTES_MAX: u64 = 64 * 1024 + 1;
const CHUNK_BYTES: usize = 64 * 1024;

/// Where to collect from and what is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Collection<'a> {
    /// A folder that nobody but the dispatcher can put another one in the place of.
    pub root: BorrowedFd<'a>,
    /// The log folder, relative to it. It, and every folder on the way, may be the handler's.
    pub folder: &'a Path,
    /// Where the copies go: a folder of the dispatcher's own, created where it is missing and there may be something for it.
    pub into: &'a Path,
    /// All files together, in bytes.
    pub bytes_max: u64,
    /// Who must own each file, where that is known.
    pub owner: Option<u32>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Collected {
    /// The files taken, by path.
    pub artifacts: Vec<Artifact>,
    /// The handler's own `status.yml`, as it stands: neither masked nor checked. At most one byte over what its reader takes.
    pub handler_status: Option<Vec<u8>>,
    /// What was not taken: `path: reason`, safe to look at.
    pub skipped: Vec<String>,
}

/// The collection could not be begun. Nothing that the handler did can bring this about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dispatcher's own folders are not as they should be.
    #[error("{operation} `{}`", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Copies what may be taken. Syncing is the caller's, with the rest of the spool.
///
/// # Errors
/// Where the dispatcher's own folders cannot be opened or created.
pub fn collect(collection: &Collection<'_>, secrets: &Secrets) -> Result<Collected, Error> {
    let mut walk = Walk {
        collection,
        secrets,
        found: Collected::default(),
        unlisted: 0,
        entries: 0,
        bytes_left: collection.bytes_max,
        taken: HashMap::new(),
    };
    match openat2(collection.root, collection.folder, folder_flags(), Mode::empty(), beneath()) {
        Ok(folder) if is_empty(&folder) => {}
        Ok(folder) => {
            make_folder(collection.into).map_err(|fault| io_error("creating", collection.into, fault))?;
            walk.folder(&folder, "", 1);
        }
        Err(fault) => walk.skip("log folder", open_reason(fault)),
    }
    if walk.unlisted > 0 {
        let line = format!("{} more that are not listed", walk.unlisted);
        walk.found.skipped.push(line);
    }
    Ok(walk.found)
}

/// Why something was not taken.
type Refusal = String;

struct Walk<'a> {
    collection: &'a Collection<'a>,
    secrets: &'a Secrets,
    found: Collected,
    /// Refusals beyond those that are listed.
    unlisted: usize,
    entries: usize,
    bytes_left: u64,
    /// Paths taken (a folder's with a slash behind it), each under what it is folded to one case: some of those who check
    /// the repository out cannot tell them apart.
    taken: HashMap<String, String>,
}

impl Walk<'_> {
    /// Everything in a folder, in the order of the names. `depth` is that of its entries.
    fn folder(&mut self, folder: &OwnedFd, above: &str, depth: usize) {
        let listed = match self.list(folder) {
            Ok(listed) => listed,
            Err(fault) => {
                let path = if above.is_empty() { "log folder" } else { above };
                self.skip(path, fault.to_string());
                return;
            }
        };
        for raw in listed {
            let shown = join(above, &shown_name(&raw));
            if let Err(reason) = self.entry(folder, &raw, above, depth) {
                self.skip(&shown, reason);
            }
        }
    }

    fn list(&mut self, folder: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if self.entries == ENTRIES_MAX {
                self.skip("log folder", format!("more than {ENTRIES_MAX} entries; the rest was not looked at"));
                break;
            }
            self.entries += 1;
            names.push(name.to_vec());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn entry(&mut self, folder: &OwnedFd, raw: &[u8], above: &str, depth: usize) -> Result<(), Refusal> {
        let name = names::checked(raw)?;
        if depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} folders deep"));
        }
        // A handle that opens nothing: looking at a device or a FIFO must not set anything off.
        let looked = openat2(folder, raw, look_flags(), Mode::empty(), beneath_here()).map_err(open_reason)?;
        let seen = fstat(&looked).map_err(open_reason)?;
        match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory => {
                let inner = open_seen(folder.as_fd(), raw, folder_flags(), &seen)?;
                self.folder(&inner, &join(above, name), depth + 1);
                Ok(())
            }
            FileType::RegularFile => {
                let file = open_seen(folder.as_fd(), raw, file_flags(), &seen)?;
                self.file(file, &join(above, name), depth)
            }
            FileType::Symlink => Err("a symlink".to_owned()),
            FileType::Fifo => Err("a FIFO".to_owned()),
            FileType::Socket => Err("a socket".to_owned()),
            FileType::BlockDevice | FileType::CharacterDevice => Err("a device".to_owned()),
            FileType::Unknown => Err("of an unknown type".to_owned()),
        }
    }

    fn file(&mut self, file: OwnedFd, path: &str, depth: usize) -> Result<(), Refusal> {
        let stat = fstat(&file).map_err(open_reason)?;
        // A second link leads to a file outside that only root may read, or to one that changes later.
        if stat.st_nlink != 1 {
            return Err("a hard link".to_owned());
        }
        if self.collection.owner.is_some_and(|owner| owner != stat.st_uid) {
            return Err("owned by another user".to_owned());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let mut file = File::from(file);
        let kept_as = match names::place(path, depth) {
            names::Place::Status => {
                self.found.handler_status = Some(read_status(&file).map_err(|fault| fault.to_string())?);
                return Ok(());
            }
            names::Place::At(path) => path,
            names::Place::Refused(reason) => return Err(reason.to_owned()),
        };
        if self.found.artifacts.len() == COUNT_MAX {
            return Err(format!("more than {COUNT_MAX} files"));
        }
        if size > self.bytes_left {
            return Err(self.too_large(size));
        }
        if self.secrets.contains(kept_as.as_bytes()) {
            return Err("withheld: its name holds a secret".to_owned());
        }
        // The folders on the way count too: `a/x` and `A/y` are one folder elsewhere.
        let clash = prefixes(&kept_as).find(|prefix| self.clashes(prefix, prefix.len() == kept_as.len()));
        if let Some(clash) = clash {
            return Err(format!(
                "`{clash}` differs from another name only in case or in how its characters are composed"
            ));
        }
        let artifact = self.copy(&mut file, size, &kept_as)?;
        self.bytes_left -= artifact.bytes;
        for prefix in prefixes(&kept_as) {
            let entry = marked(prefix, prefix.len() == kept_as.len());
            self.taken.insert(names::folded(prefix), entry);
        }
        self.found.artifacts.push(artifact);
        Ok(())
    }

    /// True where the place is taken: by a file, by a folder where a file should go, or by a folder of another spelling.
    fn clashes(&self, path: &str, is_file: bool) -> bool {
        let taken = self.taken.get(&names::folded(path));
        taken.is_some_and(|taken| is_file || *taken != marked(path, false))
    }

    fn copy(&self, from: &mut File, size: u64, path: &str) -> Result<Artifact, Refusal> {
        let target = self.collection.into.join(path);
        if let Some(folder) = target.parent() {
            make_folder(folder).map_err(|fault| format!("not kept: {fault}"))?;
        }
        let copied = self.copy_to(from, size, path, &target);
        if copied.is_err() {
            // What it was refused for must not lie in the spool; where nothing was created there is nothing to remove.
            let _ = fs::remove_file(&target);
        }
        copied
    }

    fn copy_to(&self, from: &mut File, size: u64, path: &str, target: &Path) -> Result<Artifact, Refusal> {
        let not_kept = |fault: io::Error| format!("not kept: {fault}");
        let mut to = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(not_kept)?;
        // The masker lets out only what is known to be no part of a secret: even a crash leaves none in the spool.
        let mut masker = Masker::new(self.secrets);
        let mut digest = Sha256::new();
        let (mut chunk, mut clean) = (vec![0; CHUNK_BYTES], Vec::new());
        let mut bytes = 0_u64;
        loop {
            let read = match from.read(&mut chunk) {
                Ok(read) => read,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(format!("reading: {fault}")),
            };
            bytes += read as u64;
            if bytes > size {
                return Err("it grew while it was read".to_owned());
            }
            digest.update(&chunk[..read]);
            if read == 0 {
                masker.finish(&mut clean);
            } else {
                masker.push(&chunk[..read], &mut clean);
            }
            if let Some(name) = masker.hit() {
                return Err(format!("withheld: it holds the secret {name}"));
            }
            to.write_all(&clean).map_err(not_kept)?;
            clean.clear();
            if read == 0 {
                break;
            }
        }
        if bytes != size {
            return Err("it shrank while it was read".to_owned());
        }
        to.set_permissions(fs::Permissions::from_mode(0o644)).map_err(not_kept)?;
        Ok(Artifact { path: path.to_owned(), bytes, sha256: HEXLOWER.encode(&digest.finalize()) })
    }

    fn too_large(&self, size: u64) -> Refusal {
        format!("too large: {size} bytes, {} of {} are left", self.bytes_left, self.collection.bytes_max)
    }

    fn skip(&mut self, path: &str, reason: impl AsRef<str>) {
        if self.found.skipped.len() == SKIPPED_MAX {
            self.unlisted += 1;
            return;
        }
        // A handler may put a secret into a file name.
        let line = self.secrets.mask_text(&format!("{path}: {}", reason.as_ref()));
        self.found.skipped.push(visible::line(&line).into_owned());
    }
}

/// Whether there is nothing in it. One that cannot be read is not known to be.
fn is_empty(folder: &OwnedFd) -> bool {
    let is_dots = |name: &CStr| name == c"." || name == c"..";
    Dir::read_from(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_dots(entry.file_name()))))
}

/// Opens what was looked at a moment ago, and nothing else that has come into its place.
fn open_seen(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags, seen: &Stat) -> Result<OwnedFd, Refusal> {
    let opened = openat2(folder, name, flags, Mode::empty(), beneath_here()).map_err(open_reason)?;
    let now = fstat(&opened).map_err(open_reason)?;
    let same = (now.st_dev, now.st_ino, now.st_mode) == (seen.st_dev, seen.st_ino, seen.st_mode);
    if same { Ok(opened) } else { Err("it was exchanged while it was opened".to_owned()) }
}

fn read_status(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(STATUS_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Every folder on the way to a path, then the path.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain(std::iter::once(path))
}

fn marked(path: &str, is_file: bool) -> String {
    let end = if is_file { "" } else { "/" };
    format!("{path}{end}")
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

fn shown_name(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

/// Below the folder itself there is no mount of ours either.
fn beneath_here() -> ResolveFlags {
    beneath() | ResolveFlags::NO_XDEV
}

fn look_flags() -> OFlags {
    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn file_flags() -> OFlags {
    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn open_reason(fault: Errno) -> Refusal {
    match fault {
        Errno::LOOP => "a symlink, or one on the way to it".to_owned(),
        // With O_DIRECTORY the kernel says this of a link as well.
        Errno::NOTDIR => "no folder, or a symlink".to_owned(),
        Errno::XDEV => "on another file system, or outside".to_owned(),
        Errno::NOENT => "it is not there any more".to_owned(),
        fault => io::Error::from(fault).to_string(),
    }
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { operation, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
