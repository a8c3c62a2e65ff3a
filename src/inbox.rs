//! The inbox: which entries of a tree are requests. Looks at names, modes and sizes only; what a file says is `admit`'s. The
//! dispatcher reads it from main's tree; only `check` reads a work tree's.
//!
//! | code | fault |
//! |---|---|
//! | E0001 | a symbolic link |
//! | E0002 | a submodule |
//! | E0003 | a folder named like a request |
//! | E0004 | over 64 KiB |
//! | E0005 | left alone: neither a request nor a dotfile, or too deep (a warning) |

use std::collections::BTreeSet;

use crate::config::RepoConfig;
use crate::contract::source::{Commit, Source};
use crate::diagnostic::Diagnostic;
use crate::repo::{MODE_FOLDER, MODE_GITLINK, MODE_LINK, Oid, Repo, RepoError, TreeEntry};
use crate::request;
use crate::units;
use crate::yaml::Limits;

/// One unread file of the inbox.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Path in the tree, as bytes: a name need not be text.
    pub path: Vec<u8>,
    /// The path as people and records see it, everything odd escaped.
    pub shown: String,
    /// Mode in the tree.
    pub mode: u32,
    /// The object there.
    pub oid: Oid,
    /// The folder below the inbox that it lies in.
    pub folder: Option<String>,
    /// Name of its record: the file's name without ending, made safe where the name is refused.
    pub stem: String,
    /// `.yml` or `.yaml`.
    pub extension: &'static str,
    /// Why it is refused unread.
    pub fault: Option<Box<Diagnostic>>,
}

/// What lies in the inbox at one commit, in the order of names.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// What is named like a request.
    pub entries: Vec<Entry>,
    /// What is left alone, for a warning: neither requests nor dotfiles.
    pub left_alone: Vec<String>,
}

/// Reads the inbox of a commit.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn read(repo: &Repo, commit: Oid, config: &RepoConfig) -> Result<Inbox, RepoError> {
    read_from(&Commit::new(repo, commit), config)
}

/// Reads the inbox of a commit or a work tree.
///
/// # Errors
/// As [`read`].
pub fn read_from(source: &dyn Source, config: &RepoConfig) -> Result<Inbox, RepoError> {
    let mut inbox = Inbox::default();
    for item in source.entries(config.inbox.as_bytes())? {
        match kind_of(&item) {
            Item::Request => inbox.entries.push(entry(&config.inbox, None, &item)),
            Item::Folder => read_folder(source, config, &item, &mut inbox)?,
            Item::Dotfile => {}
            Item::Other => inbox.left_alone.push(shown(&[config.inbox.as_bytes(), b"/", &item.name].concat())),
        }
    }
    Ok(inbox)
}

/// The bytes of an entry, or why it is refused unread.
///
/// # Errors
/// [`RepoError`] where the object cannot be read.
pub fn bytes(repo: &Repo, entry: &Entry) -> Result<Result<Vec<u8>, Diagnostic>, RepoError> {
    if let Some(fault) = &entry.fault {
        return Ok(Err((**fault).clone()));
    }
    let most = Limits::REQUEST.bytes_max as u64;
    let (size, bytes) = repo.blob(entry.oid, most)?;
    Ok(bytes.ok_or_else(|| too_long(entry, size)))
}

/// As [`bytes`], for an entry of a commit or a work tree. A file that is gone by now is an empty one.
///
/// # Errors
/// [`RepoError`] where the file cannot be read.
pub fn bytes_from(source: &dyn Source, entry: &Entry) -> Result<Result<Vec<u8>, Diagnostic>, RepoError> {
    if let Some(fault) = &entry.fault {
        return Ok(Err((**fault).clone()));
    }
    let most = Limits::REQUEST.bytes_max as u64;
    Ok(match source.file(&entry.path, most)? {
        Some(blob) => blob.bytes.ok_or_else(|| too_long(entry, blob.size)),
        None => Ok(Vec::new()),
    })
}

fn too_long(entry: &Entry, size: u64) -> Diagnostic {
    let most = units::format_size(Limits::REQUEST.bytes_max as u64);
    Diagnostic::new("E0004", &entry.shown, format!("the request is {size} bytes long"))
        .expected(format!("at most {most}"))
}

/// The path of a new request: its name, or the next one that is free in a folder of a tip and was not given out before.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn free_path(
    repo: &Repo,
    tip: Oid,
    folder: &str,
    stem: &str,
    given: &mut BTreeSet<String>,
) -> Result<String, RepoError> {
    let standing = repo.tree_entries(tip, folder)?;
    let names = standing.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned());
    Ok(free_name(folder, stem, names, given))
}

fn free_name(folder: &str, stem: &str, standing: impl Iterator<Item = String>, given: &mut BTreeSet<String>) -> String {
    // Names that differ in case alone are one file on some machines.
    let standing: BTreeSet<String> = standing.map(|name| name.to_lowercase()).collect();
    let mut path = format!("{folder}/{stem}");
    for number in 2.. {
        let name = path[folder.len() + 1..].to_lowercase();
        let free = [".yml", ".yaml"].iter().all(|ending| !standing.contains(&format!("{name}{ending}")));
        if free && given.insert(path.to_lowercase()) {
            break;
        }
        path = format!("{folder}/{stem}-{number}");
    }
    format!("{path}.yml")
}

/// The name of the request at a path of the inbox: without ending, with the folder that it lies in.
pub fn name<'p>(inbox: &str, path: &'p str) -> &'p str {
    let name = path.strip_prefix(inbox).unwrap_or(path).trim_start_matches('/');
    name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")).unwrap_or(name)
}

/// The warning for what is left alone.
pub fn left_alone(path: &str) -> Diagnostic {
    Diagnostic::new("E0005", path, "is left alone: a request ends in .yml or .yaml and lies at most one folder down")
}

/// An entry from a name and an object, as for a file that is not committed yet.
pub fn entry(inbox: &str, folder: Option<&[u8]>, item: &TreeEntry) -> Entry {
    let mut path = inbox.as_bytes().to_vec();
    for step in folder.into_iter().chain([&item.name[..]]) {
        path.push(b'/');
        path.extend_from_slice(step);
    }
    let shown = shown(&path);
    let named = request::file_name(&item.name).map(|name| name.map(|name| name.stem));
    let housed = folder.map(request::folder_name).transpose().map(Option::flatten);
    let fault = match item.mode {
        MODE_LINK => Some(Diagnostic::new("E0001", &shown, "a request must be a plain file, this is a symbolic link")),
        MODE_GITLINK => Some(Diagnostic::new("E0002", &shown, "a request must be a plain file, this is a submodule")),
        MODE_FOLDER => Some(Diagnostic::new("E0003", &shown, "a request must be a plain file, this is a folder")),
        _ => named
            .as_ref()
            .err()
            .or(housed.as_ref().err())
            .map(|error| Diagnostic { file: shown.clone(), ..error.diagnostic(inbox) }),
    };
    Entry {
        path,
        mode: item.mode,
        oid: item.oid,
        folder: folder.map(|name| housed.ok().flatten().unwrap_or_else(|| safe(name))),
        stem: named.ok().flatten().unwrap_or_else(|| safe(stem(&item.name))),
        extension: if item.name.ends_with(b".yaml") { ".yaml" } else { ".yml" },
        fault: fault.map(Box::new),
        shown,
    }
}

enum Item {
    Request,
    Folder,
    Dotfile,
    Other,
}

fn kind_of(item: &TreeEntry) -> Item {
    if item.name.starts_with(b".") {
        Item::Dotfile
    } else if item.name.ends_with(b".yml") || item.name.ends_with(b".yaml") {
        Item::Request
    } else if item.mode == MODE_FOLDER {
        Item::Folder
    } else {
        Item::Other
    }
}

fn read_folder(
    source: &dyn Source,
    config: &RepoConfig,
    folder: &TreeEntry,
    inbox: &mut Inbox,
) -> Result<(), RepoError> {
    let place = [config.inbox.as_bytes(), b"/", &folder.name].concat();
    for item in source.entries(&place)? {
        match kind_of(&item) {
            Item::Request => inbox.entries.push(entry(&config.inbox, Some(&folder.name), &item)),
            Item::Dotfile => {}
            // Requests lie in the inbox or one folder down; what is deeper is not found, and the warning says so.
            Item::Folder | Item::Other => inbox.left_alone.push(shown(&[&place[..], b"/", &item.name].concat())),
        }
    }
    Ok(())
}

fn stem(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".yml").or_else(|| name.strip_suffix(b".yaml")).unwrap_or(name)
}

/// A name that can stand in a path, for the record of an entry whose own name cannot.
fn safe(name: &[u8]) -> String {
    let text: String = name
        .iter()
        .take(100)
        .map(|byte| if byte.is_ascii_alphanumeric() || b"._-".contains(byte) { char::from(*byte) } else { '_' })
        .collect();
    if text.starts_with(|first: char| first.is_ascii_alphanumeric()) { text } else { format!("x{text}") }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8(path.to_vec())
        .ok()
        .filter(|text| !text.contains(|c: char| c.is_control() || c == '\\'))
        .unwrap_or_else(|| path.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &[u8], mode: u32) -> TreeEntry {
        TreeEntry { name: name.to_vec(), mode, oid: "00000000000000000000000000000000000000aa".parse().expect("id") }
    }

    #[test]
    fn a_new_request_takes_the_next_name_that_is_free_everywhere() {
        let standing = || ["A.yml", "a-2.yaml", "b.md"].into_iter().map(str::to_owned);
        let mut given = BTreeSet::new();
        let mut next = |stem| free_name("requests/team", stem, standing(), &mut given);
        assert_eq!(next("a"), "requests/team/a-3.yml");
        assert_eq!(next("a"), "requests/team/a-4.yml");
        assert_eq!(next("b"), "requests/team/b.yml");
        assert_eq!(next("B"), "requests/team/B-2.yml");
    }

    #[test]
    fn what_is_no_plain_file_is_refused_by_name() {
        for (mode, code) in [(MODE_LINK, "E0001"), (MODE_GITLINK, "E0002"), (MODE_FOLDER, "E0003")] {
            let entry = entry("requests", None, &item(b"a.yml", mode));
            assert_eq!(entry.fault.map(|fault| fault.code), Some(code));
        }
        assert!(entry("requests", None, &item(b"a.yml", 0o100_755)).fault.is_none());
    }

    #[test]
    fn a_refused_name_still_gets_a_safe_place_for_its_record() {
        for (name, stem) in [(&b"a\nb.yml"[..], "a_b"), (b"-x.yaml", "x-x"), (b"\xff.yml", "x_"), (b"a b.yml", "a_b")] {
            let entry = entry("requests", None, &item(name, 0o100_644));
            assert_eq!(entry.stem, stem);
            assert_eq!(entry.fault.expect("refused").code, "E0010");
            assert!(!entry.shown.contains('\n'));
        }
    }

    #[test]
    fn a_folder_with_a_bad_name_refuses_what_is_in_it() {
        let entry = entry("requests", Some(b"my team"), &item(b"a.yml", 0o100_644));
        assert_eq!(entry.folder.as_deref(), Some("my_team"));
        assert_eq!(entry.fault.expect("refused").code, "E0011");
        assert_eq!(entry.path, b"requests/my team/a.yml");
    }
}
