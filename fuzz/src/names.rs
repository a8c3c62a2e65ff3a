//! Names that somebody else chose: of artifacts, and of files in the inbox.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use codex_dispatch::redact::Secrets;
use codex_dispatch::request;
use codex_dispatch::run::artifacts::{self, Collection};
use tempfile::TempDir;
use unicode_normalization::UnicodeNormalization;

use super::shown;

/// Paths taken from one input.
const PATHS_MAX: usize = 12;
/// Names in a record's folder that are the dispatcher's.
const OWN: [&str; 5] = ["status.yml", "log.jsonl", "handler.log", "dispatch.log", "error.log"];

/// A folder for one run, in memory where there is such a place.
pub fn scratch() -> TempDir {
    let builder = |folder: &Path| tempfile::Builder::new().prefix("dispatch-property-").tempdir_in(folder);
    builder(Path::new("/dev/shm")).or_else(|_| builder(&std::env::temp_dir())).expect("a temporary folder")
}

/// Each line is the path of a file that a handler leaves: what is kept can go into a repository that anybody checks out.
pub fn artifact_names(bytes: &[u8]) {
    let scratch = scratch();
    let left = scratch.path().join("left");
    fs::create_dir(&left).expect("an empty folder");
    let mut files = 0;
    for path in bytes.split(|&byte| byte == b'\n').filter(|path| !path.is_empty()).take(PATHS_MAX) {
        if leave(&left, path).is_ok() {
            files += 1;
        }
    }
    let into = scratch.path().join("spool");
    let root = fs::File::open(scratch.path()).expect("a folder");
    let collection =
        Collection { root: root.as_fd(), folder: Path::new("left"), into: &into, bytes_max: 1 << 20, owner: None };
    let found = artifacts::collect(&collection, &Secrets::none()).expect("folders of our own");

    let kept = found.artifacts.len() + usize::from(found.handler_status.is_some());
    assert!(kept == files || !found.skipped.is_empty(), "{kept} of {files} and no word of the others: {found:?}");
    assert!(kept <= files, "more than there was: {found:?}");
    found.skipped.iter().for_each(|line| shown::harmless(line));

    let mut index = git2::Index::new().expect("an index in memory");
    let (mut elsewhere, mut folders) = (HashSet::new(), HashSet::new());
    for artifact in &found.artifacts {
        shown::harmless(&artifact.path);
        assert!(!OWN.contains(&artifact.path.as_str()), "{}", artifact.path);
        let parts: Vec<&str> = artifact.path.split('/').collect();
        assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")), "{}", artifact.path);
        assert!(parts.iter().all(|part| !part.to_lowercase().starts_with(".git")), "{}", artifact.path);
        assert!(parts.len() <= artifacts::DEPTH_MAX);
        assert!(elsewhere.insert(one_spelling(&artifact.path)), "{} twice: {found:?}", artifact.path);
        for (at, _) in artifact.path.match_indices('/') {
            folders.insert(one_spelling(&artifact.path[..at]));
        }
        assert_eq!(fs::read(into.join(&artifact.path)).expect("a copy").len() as u64, artifact.bytes);
        index.add(&entry(&artifact.path)).unwrap_or_else(|fault| panic!("git refuses {:?}: {fault}", artifact.path));
    }
    assert!(elsewhere.is_disjoint(&folders), "a file in place of a folder: {found:?}");
    // Folders count as well: those of two spellings would become one.
    let spelled: HashSet<String> = found
        .artifacts
        .iter()
        .flat_map(|kept| kept.path.match_indices('/').map(|(at, _)| kept.path[..at].to_owned()))
        .collect();
    assert_eq!(spelled.len(), folders.len(), "folders that some cannot tell apart: {spelled:?}");
}

/// A file below `folder`, its own path as its content.
fn leave(folder: &Path, path: &[u8]) -> std::io::Result<()> {
    let mut at = folder.to_path_buf();
    let parts: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b"..")).collect();
    let Some((name, above)) = parts.split_last() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    for part in above.iter().take(10) {
        at.push(OsStr::from_bytes(part));
        if !at.is_dir() {
            fs::create_dir(&at)?;
        }
    }
    fs::OpenOptions::new().write(true).create_new(true).open(at.join(OsStr::from_bytes(name)))?;
    fs::write(at.join(OsStr::from_bytes(name)), path)
}

/// A path as a file system takes it that ignores case and how characters are composed.
fn one_spelling(path: &str) -> String {
    let once =
        |text: &str| text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfd().collect::<String>();
    once(&once(path))
}

fn entry(path: &str) -> git2::IndexEntry {
    let never = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: git2::Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

/// The name of an entry of the inbox: taken by its rule, refused in words that can be shown, or left alone.
pub fn file_names(bytes: &[u8]) {
    let plain = |name: &str| {
        name.len() <= 133
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match request::file_name(bytes) {
        Ok(Some(file)) => {
            assert!(plain(&file.name) && plain(&file.stem), "{file:?}");
            assert!(file.name.as_bytes() == bytes && file.name.starts_with(&file.stem));
        }
        Ok(None) => assert!(bytes.starts_with(b".") || !(bytes.ends_with(b".yml") || bytes.ends_with(b".yaml"))),
        Err(error) => {
            shown::harmless(&error.to_string());
            shown::harmless(&error.diagnostic("requests").to_string().replace('\n', ""));
        }
    }
    match request::folder_name(bytes) {
        Ok(Some(name)) => assert!(plain(&name) && name.as_bytes() == bytes),
        Ok(None) => assert!(bytes.starts_with(b".")),
        Err(error) => shown::harmless(&error.diagnostic("requests").to_string().replace('\n', "")),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(path) = codex_dispatch::paths::in_repository(text) {
            shown::harmless(&path);
            assert!(path.split('/').all(|step| !matches!(step, "" | "." | "..") && !step.eq_ignore_ascii_case(".git")));
            assert_eq!(codex_dispatch::paths::in_repository(&path).as_ref(), Ok(&path));
        }
        if let Ok(path) = codex_dispatch::paths::on_host(text) {
            assert!(path.is_absolute() && path.as_os_str() != "/");
            assert!(path.components().all(|part| part.as_os_str() != ".."));
        }
    }
}
