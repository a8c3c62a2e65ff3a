//! The records on main, read back: the youngest, the one of an id, and what people have said of requests in them.
//!
//! Owns the walk through the output folder and what counts as a record there: one whose request lies in the archive.
//! Records of the original shell dispatcher are read as far as they go. Where the archive is large, single records are found by
//! the index in the state folder, and read and judged as ever.

mod index;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

pub use index::{Index, IndexError, Turn, Walk};

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
/// And at the latest after this long.
const TOLD_AFTER: Duration = Duration::from_secs(10);
/// An archive of so many requests is worth an index; a smaller one is read as fast.
const INDEXED_FROM: usize = 2000;
/// How long somebody who asks waits for another process that brings the index up.
const TURN_MAX: Duration = Duration::from_secs(2);
/// So many names are looked at in one step of the index.
const STEP: usize = 2000;
/// And so many steps are little.
const LITTLE: usize = 5;

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

/// The record in a folder of main, by its path from the root; `None` where there is none, or one that counts for nothing.
fn record_at(repo: &Repo, tip: Oid, config: &RepoConfig, folder: &str) -> Result<Option<Record>, RepoError> {
    let Some(blob) = repo.blob_at(tip, format!("{folder}{STATUS}"), FILE_BYTES_MAX)? else { return Ok(None) };
    match blob.bytes.filter(|_| matches!(blob.mode, MODE_FILE | MODE_EXECUTABLE)) {
        Some(bytes) => record_of(repo, tip, config, folder, &bytes),
        None => Ok(None),
    }
}

/// The records at places that an index has named, as main has them now, each with its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn read(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    places: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut records = Vec::new();
    for place in places {
        let folder = format!("{}/{place}", config.output);
        records.extend(record_at(repo, tip, config, &folder)?.map(|record| (folder, record)));
    }
    Ok(records)
}

/// Those of them by which a request is over for whoever did not see it: its own file is what lies in the archive, and lies in
/// the inbox no more. Each with its place and the path of the archived request.
///
/// # Errors
/// [`RepoError`] where a tree cannot be read.
pub fn settled(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    places: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, Record, String)>, RepoError> {
    let records = read(repo, tip, config, places)?;
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let waiting = inbox::read(repo, tip, config)?.entries;
    let mut settled = Vec::new();
    for (folder, record) in records {
        let place = folder.strip_prefix(&config.output).unwrap_or(&folder).trim_start_matches('/').to_owned();
        let is_asked = |oid: Oid| oid.to_string() == record.request_blob;
        if waiting.iter().any(|entry| is_asked(entry.oid)) {
            continue;
        }
        for extension in [".yml", ".yaml"] {
            let path = format!("{}/{place}{extension}", config.archive);
            if repo.entry_at(tip, &path)?.is_some_and(|entry| is_asked(entry.oid)) {
                settled.push((place, record, path));
                break;
            }
        }
    }
    Ok(settled)
}

/// Whether the archive is so large that its index is worth having. Reads no more of it than that takes.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn is_large(repo: &Repo, tip: Oid, config: &RepoConfig) -> Result<bool, RepoError> {
    let mut requests = 0;
    repo.walk(tip, &config.archive, DEPTH_MAX, |_| {
        requests += 1;
        requests < INDEXED_FROM
    })?;
    Ok(requests >= INDEXED_FROM)
}

/// How much somebody who asks would have read for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What has changed since the index was whole.
    Little,
    /// As much as there is; who waits is told how far it is.
    Whole,
}

/// The index, brought up to this commit first. `None` where the archive is small, where that takes more than the effort, and
/// where there can be no index now: then main is asked itself.
///
/// # Errors
/// [`RepoError`] where main cannot be read.
pub fn index_at(
    state: &Path,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    effort: Effort,
) -> Result<Option<Index>, RepoError> {
    if !is_large(repo, tip, config)? {
        return Ok(None);
    }
    let as_it_is = Index::open_to_read(state);
    let is_whole = |index: &Index| index.is_whole(repo, tip, config).unwrap_or(false);
    if as_it_is.as_ref().is_some_and(is_whole) {
        return Ok(as_it_is);
    }
    let was_whole = as_it_is.as_ref().is_some_and(|index| index.tip().is_ok_and(|tip| tip.is_some()));
    if effort == Effort::Little && !was_whole {
        return Ok(None);
    }
    drop(as_it_is);
    match brought_up(state, repo, tip, config, effort) {
        Ok(index) => Ok(index),
        Err(IndexError::Repo(error)) => Err(error),
        Err(error) => {
            tracing::debug!("going on without: {error}");
            Ok(None)
        }
    }
}

fn brought_up(
    state: &Path,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    effort: Effort,
) -> Result<Option<Index>, IndexError> {
    let mut index = Index::open(state)?;
    let Some(turn) = Turn::wait(state, TURN_MAX)? else { return Err(IndexError::Busy) };
    let mut walk = Index::walk_to(turn, tip);
    let (mut told, mut told_at) = (0, Instant::now());
    for steps in 0.. {
        if walk.go_on(&mut index, repo, config, STEP)? {
            break;
        }
        // Whoever gets as far as this is not stuck.
        repo.patience().pulse();
        if effort == Effort::Little && steps >= LITTLE {
            return Ok(None);
        }
        if walk.read >= told + TOLD_EVERY || told_at.elapsed() >= TOLD_AFTER {
            (told, told_at) = (walk.read, Instant::now());
            tracing::info!(
                "reading the records on main for their index: {told} so far; stopped, it goes on from there"
            );
        }
    }
    tracing::debug!("the index of the archive is whole: {} records were read", walk.read);
    Ok(Some(index))
}

/// What an index says, or `None` where it cannot be read: then main is asked itself.
fn said<T>(answer: Result<T, IndexError>) -> Option<T> {
    answer.map_err(|error| tracing::warn!("going on without: {error}")).ok()
}

/// The record of a request, with its folder. With the state folder its index is asked, else every record is read.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn find(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    state: &Path,
    id: RequestId,
) -> Result<Option<(String, Record)>, RepoError> {
    let index = index_at(state, repo, tip, config, Effort::Whole)?;
    let found = match index.and_then(|index| said(index.by_id(id))) {
        Some(places) => read(repo, tip, config, places)?,
        None => all(repo, tip, config, |bytes| may_name(bytes, id))?,
    };
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

/// What people have said of requests, by the request; the first word counts. With the state folder its index is asked, else
/// every record is read.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn resolutions(
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    state: &Path,
) -> Result<BTreeMap<RequestId, Resolution>, RepoError> {
    let index = index_at(state, repo, tip, config, Effort::Whole)?;
    Ok(resolutions_of(match index.and_then(|index| said(index.words_on(None))) {
        Some(places) => read(repo, tip, config, places)?,
        None => all(repo, tip, config, |bytes| holds(bytes, RESOLVE.as_bytes()))?,
    }))
}

/// What was said of one request, by an index as it stands.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn indexed_word_on(
    index: &Index,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    id: RequestId,
) -> Result<Option<Resolution>, RepoError> {
    let places = said(index.words_on(Some(id))).unwrap_or_default();
    Ok(resolutions_of(read(repo, tip, config, places)?).remove(&id))
}

/// Records of requests that a word, or the name in it, may mean by an index, each with its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn indexed_by_word(
    index: &Index,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    (word, name): (&str, &str),
) -> Result<Vec<(String, Record)>, RepoError> {
    let folder = word.strip_prefix(&config.output).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
    let places = said(index.by_word(word, name)).unwrap_or_default();
    read(repo, tip, config, folder.into_iter().chain(places))
}

/// The records of these ids, and those that carry one of these idempotency keys of a kind, by an index as it stands, each with
/// its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn indexed_of<'a>(
    index: &Index,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    ids: impl IntoIterator<Item = RequestId>,
    keys: impl IntoIterator<Item = &'a (String, String)>,
) -> Result<Vec<(String, Record)>, RepoError> {
    let mut places = BTreeSet::new();
    for id in ids {
        places.extend(said(index.by_id(id)).unwrap_or_default());
    }
    for (kind, key) in keys {
        places.extend(said(index.by_key(kind, key)).unwrap_or_default());
    }
    read(repo, tip, config, places)
}

/// The record of a request by an index as it stands, with its folder.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn indexed(
    index: &Index,
    repo: &Repo,
    tip: Oid,
    config: &RepoConfig,
    id: RequestId,
) -> Result<Option<(String, Record)>, RepoError> {
    let places = said(index.by_id(id)).unwrap_or_default();
    Ok(read(repo, tip, config, places)?.into_iter().find(|(_, record)| record.id == id))
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
