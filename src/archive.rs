//! The records on main, read back: all of them, the one of an id, and what people have said of requests in them.
//!
//! Owns the walk through the output folder and what counts as a record there: one whose request lies in the archive.
//! Records of the original shell dispatcher are read as far as they go.

use std::collections::BTreeMap;

use crate::command::{RESOLVE, Resolution};
use crate::config::RepoConfig;
use crate::id::RequestId;
use crate::inbox;
use crate::outcome::{Outcome, Status};
use crate::record::Record;
use crate::repo::{MODE_EXECUTABLE, MODE_FILE, Oid, Repo, RepoError};

/// The longest `status.yml` that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// A record's folder lies at most so far below the output folder.
const DEPTH_MAX: usize = 6;

/// Records on main, each with its folder, at most `most` files being looked at, those alone whose text `fits`.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn records(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    most: usize,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut files = Vec::new();
    repo.walk(tip, &config.output, DEPTH_MAX, |entry| {
        // A submodule or a link of that name is no record, and has nothing to read.
        if entry.name.ends_with(b"/status.yml") && matches!(entry.mode, MODE_FILE | MODE_EXECUTABLE) {
            files.push((String::from_utf8_lossy(&entry.name).into_owned(), entry.oid));
        }
        files.len() < most
    })?;
    let mut records = Vec::new();
    for (file, oid) in files {
        let Some(bytes) = repo.blob(oid, FILE_BYTES_MAX)?.1.filter(|bytes| fits(bytes)) else { continue };
        let folder = file.trim_end_matches("/status.yml").to_owned();
        if !is_archived(repo, tip, config, &folder)? {
            // It lies beside an unread request, or beside none: somebody's forgery.
            continue;
        }
        let read = Record::from_yaml(&file, &bytes).ok();
        records.extend(
            read.or_else(|| record_of_old(&file, &folder, &config.output, &bytes)).map(|record| (folder, record)),
        );
    }
    Ok(records)
}

/// The record of a request, with its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn find(repo: &Repo, tip: Oid, config: &RepoConfig, id: RequestId) -> Result<Option<(String, Record)>, RepoError> {
    let text = id.to_string();
    let found = records(repo, tip, config, usize::MAX, |bytes| holds(bytes, text.as_bytes()))?;
    Ok(found.into_iter().find(|(_, record)| record.id == id))
}

/// The records that a commit brought, each with its folder and the archived request. A record counts only where its request
/// is archived with it and left the inbox in the same commit: this is the one place that says so of a commit.
///
/// # Errors
/// [`RepoError`] where a tree cannot be read.
pub fn brought_by(repo: &Repo, commit: Oid, config: &RepoConfig) -> Result<Vec<(String, Record, String)>, RepoError> {
    let mut brought = Vec::new();
    let before = repo.made(commit)?.and_then(|made| made.parent);
    for (file, oid) in repo.added_below(commit, &config.output, "status.yml")? {
        let folder = file.trim_end_matches("/status.yml").to_owned();
        let place = folder.strip_prefix(&config.output).unwrap_or(&folder).trim_start_matches('/');
        let archived = [".yml", ".yaml"].map(|extension| format!("{}/{place}{extension}", config.archive));
        let record = repo.blob(oid, FILE_BYTES_MAX)?.1.and_then(|bytes| Record::from_yaml(&file, &bytes).ok());
        let Some(record) = record else { continue };
        for path in archived {
            // Beside anything but its own archived request it counts for nothing.
            let is_asked = |oid: Oid| oid.to_string() == record.request_blob;
            let holds = |at: Oid, path: &str| -> Result<bool, RepoError> {
                Ok(repo.entry_at(at, path)?.is_some_and(|entry| is_asked(entry.oid)))
            };
            let extension = path.rsplit_once('.').map_or("yml", |(_, extension)| extension);
            let asked = format!("{}/{}.{extension}", config.inbox, record.name);
            if !holds(commit, &path)? || holds(commit, &asked)? {
                continue;
            }
            // Edited or deleted after its start, or taken from a work tree, it did not stand there before; but then it stands
            // under no other name either.
            let left = before.map(|before| holds(before, &asked)).transpose()?.unwrap_or(false);
            if left || !inbox::read(repo, commit, config)?.entries.iter().any(|entry| is_asked(entry.oid)) {
                brought.push((folder, record, path));
                break;
            }
        }
    }
    Ok(brought)
}

/// What people have said of requests, by the request; the first word counts.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn resolutions(repo: &Repo, tip: Oid, config: &RepoConfig) -> Result<BTreeMap<RequestId, Resolution>, RepoError> {
    let mut found = records(repo, tip, config, usize::MAX, |bytes| holds(bytes, RESOLVE.as_bytes()))?;
    found.sort_by_key(|(_, record)| record.finished_at);
    let mut words = BTreeMap::new();
    for resolution in found.iter().filter_map(|(_, record)| Resolution::of(record)) {
        words.entry(resolution.id).or_insert(resolution);
    }
    Ok(words)
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the request of a record stands in the archive: only then it counts.
fn is_archived(repo: &Repo, tip: Oid, config: &RepoConfig, folder: &str) -> Result<bool, RepoError> {
    let place = folder.strip_prefix(&config.output).unwrap_or(folder).trim_start_matches('/');
    for extension in [".yml", ".yaml"] {
        if repo.exists(tip, format!("{}/{place}{extension}", config.archive))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A record of the original shell dispatcher: whatever YAML it wrote, with `status:` in it.
fn record_of_old(file: &str, folder: &str, output: &str, bytes: &[u8]) -> Option<Record> {
    #[derive(serde::Deserialize)]
    struct Old {
        status: Status,
        kind: Option<String>,
        exit_code: Option<i32>,
    }
    let old: Old = serde_yaml::from_slice(bytes).ok()?;
    let outcome = match old.status {
        Status::Success => Outcome::Succeeded,
        Status::Failure => Outcome::Failed,
        Status::Error => Outcome::Rejected,
    };
    let name = folder.strip_prefix(output).unwrap_or(folder).trim_start_matches('/');
    let mut record = Record::new(outcome, RequestId::derived("", file, ""), name);
    record.kind = old.kind;
    record.exit_code = old.exit_code;
    Some(record)
}
