//! The records on main, read back: the youngest, the one of an id, and what people have said of requests in them.
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
/// What the name of its file ends with.
const STATUS: &str = "/status.yml";
/// So many commits are looked through for the youngest records.
const COMMITS_MAX: usize = 1000;
/// Whoever waits while this many are looked at is told how far it is.
const TOLD_EVERY: usize = 100_000;

/// Every record on main whose text `fits`, each with its folder: reads all of them.
fn all(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut records = Vec::new();
    for (folder, oid) in files(repo, tip, config, usize::MAX, usize::MAX)? {
        let bytes = repo.blob(oid, FILE_BYTES_MAX)?.1.filter(|bytes| fits(bytes));
        let read = bytes.map(|bytes| record_of(repo, tip, config, &folder, &bytes)).transpose()?.flatten();
        records.extend(read.map(|record| (folder, record)));
    }
    Ok(records)
}

/// The youngest records on main that `is_new`, each with its folder, at most `most` of them: those of the youngest commits,
/// and where there are too few of these the youngest days of a dated layout. What lies beside them is not read.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn youngest(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    (most, files_max): (usize, usize),
    mut is_new: impl FnMut(RequestId) -> bool,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut records = Vec::new();
    if most <= files_max {
        let name = STATUS.trim_start_matches('/');
        for (file, oid) in repo.youngest_added_below(tip, &config.output, name, most, COMMITS_MAX)? {
            let folder = file.trim_end_matches(STATUS).to_owned();
            // It may have been removed or written anew since.
            if repo.entry_at(tip, &file)?.is_some_and(|entry| entry.oid == oid)
                && let Some(bytes) = repo.blob(oid, FILE_BYTES_MAX)?.1
            {
                let record = record_of(repo, tip, config, &folder, &bytes)?.filter(|record| is_new(record.id));
                records.extend(record.map(|record| (folder, record)));
            }
        }
    }
    if records.len() < most {
        let reach = (most - records.len(), files_max);
        records.extend(of_youngest_days(repo, tip, config, reach, |_| true, is_new)?);
    }
    Ok(records)
}

/// Records of the youngest days whose text `fits` and that `is_new`: whole days until there are `most`, of at most `files_max`
/// files. Among them, and where nothing is dated, the end that a record names decides.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn of_youngest_days(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    (most, files_max): (usize, usize),
    fits: impl Fn(&[u8]) -> bool,
    mut is_new: impl FnMut(RequestId) -> bool,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut dated = Vec::new();
    for (folder, oid) in files(repo, tip, config, most, files_max)? {
        let bytes = repo.blob(oid, FILE_BYTES_MAX)?.1.filter(|bytes| fits(bytes));
        dated.extend(bytes.map(|bytes| (finished_at(&bytes), folder, bytes)));
    }
    dated.sort_by(|a, b| b.0.cmp(&a.0));
    let mut records = Vec::new();
    for (_, folder, bytes) in dated {
        if records.len() >= most {
            break;
        }
        let record = record_of(repo, tip, config, &folder, &bytes)?.filter(|record| is_new(record.id));
        records.extend(record.map(|record| (folder, record)));
    }
    Ok(records)
}

/// Folders of records with the object of each `status.yml`, the youngest day first: whole days until there are `enough`.
fn files(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    enough: usize,
    files_max: usize,
) -> Result<Vec<(String, Oid)>, RepoError> {
    let mut found: Vec<(String, Oid)> = Vec::new();
    let day = |folder: &str| -> Option<String> {
        let steps = folder.strip_prefix(&config.output)?.trim_start_matches('/').split('/');
        let dated = steps.take_while(|step| step.bytes().all(|byte| byte.is_ascii_digit()));
        Some(dated.collect::<Vec<&str>>().join("/"))
    };
    let mut last = None;
    // Folders come in falling order.
    repo.walk(tip, &config.output, DEPTH_MAX, |entry| {
        // A submodule or a link of that name is no record, and has nothing to read.
        if !entry.name.ends_with(STATUS.as_bytes()) || !matches!(entry.mode, MODE_FILE | MODE_EXECUTABLE) {
            return true;
        }
        let name = String::from_utf8_lossy(&entry.name);
        let folder = name.strip_suffix(STATUS).unwrap_or(&name).to_owned();
        let of = day(&folder);
        if found.len() >= enough && of != last {
            return false;
        }
        last = of;
        found.push((folder, entry.oid));
        if found.len().is_multiple_of(TOLD_EVERY) {
            tracing::info!("looking through the records on main: {} so far", found.len());
        }
        found.len() < files_max
    })?;
    Ok(found)
}

/// When a record says that it ended, without reading the rest of it.
pub fn finished_at(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"finished_at: "))?;
    Some(String::from_utf8_lossy(line).trim().trim_matches(['"', '\'']).to_owned())
}

/// The record in a folder; `None` where it is none.
fn record_of(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    folder: &str,
    bytes: &[u8],
) -> Result<Option<Record>, RepoError> {
    if !is_archived(repo, tip, config, folder)? {
        // It lies beside an unread request, or beside none: somebody's forgery.
        return Ok(None);
    }
    let file = format!("{folder}{STATUS}");
    let read = Record::from_yaml(&file, bytes).ok();
    Ok(read.or_else(|| record_of_old(&file, folder, &config.output, bytes)))
}

/// The record of a request, with its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn find(repo: &Repo, tip: Oid, config: &RepoConfig, id: RequestId) -> Result<Option<(String, Record)>, RepoError> {
    let found = all(repo, tip, config, |bytes| may_name(bytes, id))?;
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
    Ok(resolutions_of(all(repo, tip, config, |bytes| holds(bytes, RESOLVE.as_bytes()))?))
}

/// The same, by the youngest records alone: at most `files_max` are looked at.
///
/// # Errors
/// As [`resolutions`].
pub fn youngest_resolutions(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    files_max: usize,
) -> Result<BTreeMap<RequestId, Resolution>, RepoError> {
    let fits = |bytes: &[u8]| holds(bytes, RESOLVE.as_bytes());
    Ok(resolutions_of(of_youngest_days(repo, tip, config, (usize::MAX, files_max), fits, |_| true)?))
}

fn resolutions_of(mut found: Vec<(String, Record)>) -> BTreeMap<RequestId, Resolution> {
    found.sort_by_key(|(_, record)| record.finished_at);
    let mut words = BTreeMap::new();
    for resolution in found.iter().filter_map(|(_, record)| Resolution::of(record)) {
        words.entry(resolution.id).or_insert(resolution);
    }
    words
}

/// Whether a record may be that of a request, by its text.
pub fn may_name(bytes: &[u8], id: RequestId) -> bool {
    holds(bytes, id.to_string().as_bytes())
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the request of a record stands in the archive: only then it counts.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn is_archived(repo: &Repo, tip: Oid, config: &RepoConfig, folder: &str) -> Result<bool, RepoError> {
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
