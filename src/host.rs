//! The machine that the dispatcher is on: its host file, its name and cores, and the values of its secrets.
//!
//! Owns the reading of files that the machine's owner wrote, and the check that nobody else could have written them.
//! What the host file means is `host_file.rs` and `policy.rs`. Secret values are handed on and kept nowhere.

pub mod users;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::diagnostic::Diagnostic;
use crate::host_file::{self, HostFile, NoUid, Uids};
use crate::job::{SecretGrant, SecretSource};
use crate::yaml::Limits;

/// The largest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// Shorter secrets cannot be masked in output, in bytes.
pub const MASKED_BYTES_MIN: usize = 8;

/// The machine, and what its owner allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The host file, or the defaults where there is none.
    pub file: HostFile,
    /// The SHA-256 of the host file, lower-case hex; none where there is no file.
    pub sha256: Option<String>,
    /// The machine's name: the host file's `node`, or the host name.
    pub node: String,
    /// How many requests run at once: the host file's `jobs`, or the cores, as root at most half of `uids`.
    pub jobs: u32,
}

/// Why the host file, a secret or another of the owner's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file cannot be opened or read.
    #[error("reading {what} `{}`", path.display())]
    Read {
        /// What the file is for.
        what: String,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Somebody else could have written a file, or it is no plain file.
    #[error("{what} `{}` {why}", path.display())]
    Untrusted {
        /// What the file is for.
        what: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The host file has faults.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Diagnostic>),
    /// A secret has no value.
    #[error("secret {name}: {why}")]
    Secret {
        /// The secret's name.
        name: String,
        /// What is missing, and where.
        why: String,
    },
    /// The range `uids` is too small.
    #[error(transparent)]
    NoUid(#[from] NoUid),
    /// A uid of the range `uids` is somebody's.
    #[error("`uids: {uids}`: {whose}, and a handler must be nobody's: name a free range")]
    TakenUid {
        /// The range.
        uids: Uids,
        /// Which of it, and whose.
        whose: String,
    },
}

impl HostError {
    /// With the system's words, for places that print no chain of causes.
    pub fn in_full(&self) -> String {
        match self {
            Self::Read { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Reads the host file: the one that is named, which must exist, or the usual one, which may be missing.
///
/// # Errors
/// The file is missing though named, unreadable, writable by others than root and us, or has faults.
pub fn load(named: Option<&Path>) -> Result<Host, HostError> {
    let path = named.unwrap_or(Path::new(host_file::PATH));
    let bytes = match read_trusted("the host file", path, Links::Follow, Limits::REPOSITORY.bytes_max) {
        Ok((bytes, _)) => Some(bytes),
        Err(HostError::Read { source, .. }) if named.is_none() && source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut file = match &bytes {
        Some(bytes) => host_file::parse(&path.to_string_lossy(), bytes).map_err(HostError::Faults)?,
        None => HostFile::default(),
    };
    // It stands in records too, which are read elsewhere.
    if let Ok(whole) = std::path::absolute(path) {
        file.file = whole.to_string_lossy().into_owned();
    }
    Ok(Host {
        sha256: bytes.map(|bytes| hex(&Sha256::digest(bytes))),
        node: file.node.clone().unwrap_or_else(host_name),
        jobs: file.jobs.unwrap_or_else(|| usual_jobs(file.uids)),
        file,
    })
}

/// A secret's name and value. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name that the handler knows it by.
    pub name: String,
    value: Vec<u8>,
}

impl Secret {
    /// A secret of that name and value.
    pub fn new(name: impl Into<String>, value: Vec<u8>) -> Self {
        Self { name: name.into(), value }
    }

    /// The value. It belongs into no message, record or log.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether the value is long enough to be masked in output.
    pub fn is_maskable(&self) -> bool {
        self.value.len() >= MASKED_BYTES_MIN
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads the value of a granted secret, anew each time. The line end of a single line is taken off, as editors put it behind a token; of several
/// lines every byte stays, because ssh takes no key without its last line end.
///
/// # Errors
/// Says which file, credential or variable is missing, empty, too large or open to others.
pub fn resolve_secret(grant: &SecretGrant) -> Result<Secret, HostError> {
    resolve_with(grant, |name| env::var_os(name))
}

fn resolve_with(grant: &SecretGrant, variable: impl Fn(&str) -> Option<OsString>) -> Result<Secret, HostError> {
    let fault = |why: String| HostError::Secret { name: grant.name.clone(), why };
    let what = format!("secret {}", grant.name);
    let mut value = match &grant.source {
        SecretSource::File(path) => read_trusted(&what, path, Links::Refuse, SECRET_BYTES_MAX)?.0,
        SecretSource::Credential(name) => {
            let folder = variable("CREDENTIALS_DIRECTORY").filter(|folder| Path::new(folder).is_absolute());
            let folder = folder.ok_or_else(|| {
                fault(format!("the credential `{name}` needs $CREDENTIALS_DIRECTORY: start the dispatcher under systemd with LoadCredential={name}:…"))
            })?;
            read_trusted(&what, &Path::new(&folder).join(name), Links::Refuse, SECRET_BYTES_MAX)?.0
        }
        SecretSource::Env(name) => {
            let value = variable(name)
                .ok_or_else(|| fault(format!("the dispatcher's environment has no variable `{name}`")))?;
            value.into_vec()
        }
    };
    if value.iter().position(|byte| *byte == b'\n') == value.len().checked_sub(1) {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    match value.len() {
        0 => Err(fault("its value is empty".to_owned())),
        length if length > SECRET_BYTES_MAX => Err(fault(format!("its value is larger than {SECRET_BYTES_MAX} bytes"))),
        _ => Ok(Secret { name: grant.name.clone(), value }),
    }
}

/// What to do where a path's last step is a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Read what it points to; its owner and mode count.
    Follow,
    /// Refuse it.
    Refuse,
}

/// Reads a plain file that only root and we can have written, of at most `bytes_max` bytes.
pub(crate) fn read_trusted(
    what: &str,
    path: &Path,
    links: Links,
    bytes_max: usize,
) -> Result<(Vec<u8>, Metadata), HostError> {
    let failed = |source: io::Error| HostError::Read { what: what.to_owned(), path: path.to_owned(), source };
    let untrusted = |why: String| HostError::Untrusted { what: what.to_owned(), path: path.to_owned(), why };
    // NONBLOCK: opening a FIFO that nobody writes to must not wait. It changes nothing for plain files.
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => descriptor.into(),
        Err(rustix::io::Errno::LOOP) if links == Links::Refuse => {
            return Err(untrusted("is a symbolic link: name the file itself".to_owned()));
        }
        Err(error) => return Err(failed(error.into())),
    };
    // Asked of the open descriptor, so that nobody can swap the file between the question and the reading.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(untrusted("is no plain file".to_owned()));
    }
    if let Some(why) = distrust(metadata.uid(), metadata.mode(), rustix::process::geteuid().as_raw()) {
        return Err(untrusted(why));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(untrusted(format!("is larger than {bytes_max} bytes")));
    }
    Ok((bytes, metadata))
}

/// Why a file of that owner and mode could have been written by others than root and `us`.
fn distrust(owner: u32, mode: u32, us: u32) -> Option<String> {
    if owner != 0 && owner != us {
        return Some(format!("belongs to uid {owner}: it must be root's or uid {us}'s"));
    }
    let open = mode & 0o022 != 0;
    open.then(|| format!("may be written by others (mode {:04o}): chmod go-w", mode & 0o7777))
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The cores. A default that nobody asked for leaves half of the uids to kinds that need one of their own.
fn usual_jobs(uids: Uids) -> u32 {
    if rustix::process::geteuid().is_root() { cores().min((uids.count() / 2).max(1)) } else { cores() }
}

fn cores() -> u32 {
    thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()).unwrap_or(1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a hex digit"));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn write(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn records_name_the_file_wherever_they_are_read() {
        // Under `cargo test` the working folder is the crate's.
        let host = load(Some(Path::new("deploy/host.yaml"))).unwrap();
        assert!(Path::new(&host.file.file).is_absolute(), "{}", host.file.file);
    }

    fn resolve(source: SecretSource, folder: Option<&Path>) -> Result<Vec<u8>, String> {
        let grant = SecretGrant { name: "TOKEN".into(), source };
        let variable = |name: &str| match name {
            "CREDENTIALS_DIRECTORY" => folder.map(|folder| folder.as_os_str().to_owned()),
            "GIVEN" => Some("from-env\n".into()),
            "EMPTY" => Some("\n".into()),
            _ => None,
        };
        resolve_with(&grant, variable).map(|secret| secret.value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_named_host_file_is_read_with_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "host.yaml", b"node: build-1\njobs: 3\n", 0o644);
        let host = load(Some(&path)).unwrap();
        assert_eq!((host.node.as_str(), host.jobs), ("build-1", 3));
        assert_eq!(host.file.file, path.to_string_lossy());
        assert_eq!(host.sha256.as_deref(), Some("ea19469da4eec0df5314750a949e1781ad676fa1727f54c7f42e1d942d19d86f"));
        let empty = load(Some(&write(folder.path(), "empty.yaml", b"", 0o600))).unwrap();
        assert_eq!(empty.sha256.as_deref(), Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        assert!(!empty.node.is_empty() && empty.jobs >= 1);
    }

    #[test]
    fn a_named_host_file_must_exist_and_be_sound() {
        let folder = tempfile::tempdir().unwrap();
        let missing = load(Some(&folder.path().join("none.yaml"))).unwrap_err();
        assert!(matches!(missing, HostError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound));
        let unsound = load(Some(&write(folder.path(), "bad.yaml", b"jobs: 0\n", 0o644))).unwrap_err();
        assert!(matches!(&unsound, HostError::Faults(faults) if faults.len() == 1), "{unsound}");
        let large = load(Some(&write(folder.path(), "large.yaml", &vec![b'#'; (1 << 20) + 1], 0o644))).unwrap_err();
        assert!(large.to_string().ends_with("is larger than 1048576 bytes"), "{large}");
    }

    #[test]
    fn a_host_file_that_others_may_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o664, 0o646, 0o666] {
            let error = load(Some(&write(folder.path(), "host.yaml", b"jobs: 3\n", mode))).unwrap_err().to_string();
            assert!(error.ends_with(&format!("may be written by others (mode {mode:04o}): chmod go-w")), "{error}");
        }
        assert_eq!(distrust(0, 0o644, 1000), None);
        assert_eq!(distrust(1000, 0o600, 1000), None);
        assert_eq!(
            distrust(1001, 0o600, 1000).as_deref(),
            Some("belongs to uid 1001: it must be root's or uid 1000's")
        );
        assert!(distrust(1001, 0o600, 0).is_some());
    }

    #[test]
    fn secrets_are_read_from_each_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "token", b"from-file\r\n", 0o600);
        assert_eq!(resolve(SecretSource::File(path), None).unwrap(), b"from-file");
        assert_eq!(resolve(SecretSource::Credential("token".into()), Some(folder.path())).unwrap(), b"from-file");
        assert_eq!(resolve(SecretSource::Env("GIVEN".into()), None).unwrap(), b"from-env");
        let lines = write(folder.path(), "lines", b"a\nb\n\n", 0o600);
        assert_eq!(resolve(SecretSource::File(lines), None).unwrap(), b"a\nb\n\n");
    }

    #[test]
    fn secrets_that_cannot_be_had_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8], mode| SecretSource::File(write(folder.path(), name, bytes, mode));
        let link = folder.path().join("link");
        symlink(write(folder.path(), "target", b"x", 0o600), &link).unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let folder_path = Some(folder.path());
        for (source, given, part) in [
            (SecretSource::File(folder.path().join("none")), None, "reading secret TOKEN `"),
            (SecretSource::File(link), None, "is a symbolic link"),
            (SecretSource::File(fifo), None, "is no plain file"),
            (SecretSource::File(folder.path().to_owned()), None, "is no plain file"),
            (at("empty", b"\n", 0o600), None, "secret TOKEN: its value is empty"),
            (at("open", b"x", 0o622), None, "may be written by others"),
            (at("large", &vec![b'x'; SECRET_BYTES_MAX + 1], 0o600), None, "is larger than 65536 bytes"),
            (SecretSource::Credential("none".into()), folder_path, "reading secret TOKEN `"),
            (SecretSource::Credential("token".into()), None, "needs $CREDENTIALS_DIRECTORY"),
            (SecretSource::Credential("token".into()), Some(Path::new("relative")), "needs $CREDENTIALS_DIRECTORY"),
            (SecretSource::Env("NONE".into()), None, "has no variable `NONE`"),
            (SecretSource::Env("EMPTY".into()), None, "its value is empty"),
        ] {
            let error = resolve(source, given).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_secret_shows_no_value() {
        let secret = Secret::new("TOKEN", b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret { name: \"TOKEN\", .. }");
        assert!(!secret.is_maskable() && Secret::new("T", b"12345678".to_vec()).is_maskable());
    }
}
