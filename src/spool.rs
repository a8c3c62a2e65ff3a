//! The spool: what came out of a request, kept whole and synced until main has it (and seven days longer).
//!
//! ```text
//! spool/<id>/<n>/       attempt n: handler.log as it grows, events.jsonl, files/ where it left any
//! spool/<id>/<n>/report.json   only where actions follow: what the attempt came to
//! spool/<id>/<n>/then/<k>/     action k after it: handler.log as it grows, events.jsonl
//! spool/<id>/record/    what will stand in the record's folder, complete
//! spool/<id>/parcel.json   where it goes; exists only when record/ is whole and durable
//! ```
//! Where a kind does not publish all of it, the whole record lies in `<state>/kept/<id>/` (`kept`).
//! Everything in it is masked before it comes here. Nothing in it is ever run again.

pub mod kept;
mod told;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::durable;
use crate::id::RequestId;
use crate::job::Publish;
use crate::outcome::ActionRun;
use crate::planted::{self, Bug};
use crate::record::end::Told;
use crate::record::log::LogEvent;
use crate::record::report::Report;
use crate::record::summary::{self, Extras};
use crate::record::{self, Artifact, Record};
use crate::removal;
use crate::statedir::StateDir;

/// A finished record and where it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
    /// Version of this file.
    pub v: u32,
    /// The record.
    pub record: Record,
    /// Path of the request in the inbox, as bytes.
    pub path: Vec<u8>,
    /// The object that was admitted.
    pub blob: String,
    /// Its mode in the tree.
    pub mode: u32,
    /// The archive folder.
    pub archive: String,
    /// The output folder.
    pub output: String,
    /// Where the record stands below both.
    pub place: String,
    /// `.yml` or `.yaml`.
    pub extension: String,
    /// True where the request was taken from the work tree and never stood on main.
    pub loose: bool,
    /// Published without output because the server declined the whole record. Noted once main has it, not before: a
    /// restart in between begins with the whole record again.
    #[serde(default)]
    pub reduced: bool,
    /// Requests that come into the inbox with the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<NewRequest>,
    /// In how many rounds the server has declined this record, whole and in a commit of its own.
    #[serde(default)]
    pub declined: u32,
    /// Declined in any form while the server took other records: it waits, and keeps nobody else waiting.
    #[serde(default)]
    pub refused: bool,
}

/// A request that the dispatcher writes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRequest {
    /// The folder that it comes into, the inbox or one below it.
    pub folder: String,
    /// Its name without ending; where that is taken a number comes behind it.
    pub stem: String,
    /// Its text.
    pub text: String,
}

/// What stands in a record besides `status.yml`.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Events before the first attempt.
    pub before: Vec<(Timestamp, LogEvent)>,
    /// How many attempts there were; their events and files are taken from the spool.
    pub attempts: u32,
    /// Events after the last attempt.
    pub after: Vec<(Timestamp, LogEvent)>,
    /// Text of `error.log`.
    pub error_log: Option<String>,
    /// Limits that were hit.
    pub limits: Vec<String>,
    /// Last lines of the output.
    pub tail: Vec<String>,
    /// How much of it is committed.
    pub publish: Publish,
    /// The files that the handler left.
    pub artifacts: Vec<Artifact>,
    /// Events of the last attempt, where they are at hand; else they are read from the spool.
    pub events: Option<Arc<[Told]>>,
}

/// A record that is whole in the spool.
#[derive(Debug)]
pub struct Sealed {
    /// What it is, with the log's digest in it.
    pub parcel: Parcel,
    /// What it takes there.
    pub bytes: u64,
}

/// Why something could not be spooled or read back.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or folder of the spool.
    #[error("spool `{path}`: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It could not be made durable.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// A record that cannot be written down.
    #[error(transparent)]
    Record(#[from] record::Error),
}

impl Parcel {
    /// The files of the record: name below its folder, and where they lie in the spool.
    ///
    /// # Errors
    /// [`SpoolError::Io`] where the spool cannot be read.
    pub fn files(&self, state: &StateDir) -> Result<Vec<(String, PathBuf)>, SpoolError> {
        let mut found = Vec::new();
        list(&state.spool(self.record.id).join("record"), "", &mut found)?;
        found.sort();
        Ok(found)
    }

    /// The same record with its status alone, and the server's words for why it is no more than that.
    #[must_use]
    pub fn reduced_for(&self, words: &str) -> Self {
        let mut reduced = Self { reduced: true, ..self.clone() };
        reduced.record.withheld = Some(record::visible::line(words).into_owned());
        reduced
    }

    /// The same with nothing of what the handler wrote, for a server that declines even [`Parcel::reduced_for`].
    #[must_use]
    pub fn bare(&self) -> Self {
        let mut bare = self.reduced_for("the server declines this record with and without its output");
        let record = &mut bare.record;
        record.result = None;
        record.handler.clear();
        record.skipped.clear();
        record.warnings.clear();
        bare
    }
}

/// The folder of one attempt, made anew.
///
/// # Errors
/// [`SpoolError::Io`].
pub fn attempt_folder(state: &StateDir, id: RequestId, attempt: u32) -> Result<PathBuf, SpoolError> {
    let folder = state.spool(id).join(attempt.to_string());
    // A crash before START was journalled may have left one; nothing ran in it.
    remove(&folder)?;
    fs::create_dir_all(&folder).map_err(wrap(&folder))?;
    Ok(folder)
}

/// The folder of one action after an attempt, made anew: of an action that is started again the last start counts.
///
/// # Errors
/// [`SpoolError::Io`].
pub fn action_folder(state: &StateDir, id: RequestId, attempt: u32, number: u32) -> Result<PathBuf, SpoolError> {
    let folder = action_folder_in(&state.spool(id), attempt, number);
    remove(&folder)?;
    fs::create_dir_all(&folder).map_err(wrap(&folder))?;
    Ok(folder)
}

fn action_folder_in(spool: &Path, attempt: u32, number: u32) -> PathBuf {
    spool.join(attempt.to_string()).join("then").join(number.to_string())
}

/// Keeps what an attempt came to while actions follow it. It is durable after [`sync`].
///
/// # Errors
/// [`SpoolError`].
pub fn save_report(state: &StateDir, id: RequestId, report: &Report) -> Result<(), SpoolError> {
    let path = report_file(state, id, report.attempt.number);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrap(folder))?;
    }
    let text = serde_json::to_vec_pretty(report).map_err(io::Error::other).map_err(wrap(&path))?;
    put(&path, &text)
}

/// Keeps the story of an attempt or action, in its folder. It is durable after [`sync`].
///
/// # Errors
/// The system's words.
pub fn save_events(folder: &Path, events: &[Told]) -> io::Result<()> {
    fs::write(folder.join(told::EVENTS), told::numbered(events)?)
}

/// What an attempt came to, where [`save_report`] has kept it.
pub fn load_report(state: &StateDir, id: RequestId, attempt: u32) -> Option<Report> {
    let text = fs::read(report_file(state, id, attempt)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn report_file(state: &StateDir, id: RequestId, attempt: u32) -> PathBuf {
    state.spool(id).join(attempt.to_string()).join("report.json")
}

/// Writes the record whole. It is durable after [`sync`]. What an earlier call of the same has left half done is written anew.
///
/// # Errors
/// [`SpoolError`]; the request is then not ended.
pub fn seal(state: &StateDir, parcel: &Parcel, story: &Story) -> Result<Sealed, SpoolError> {
    let mut parcel = parcel.clone();
    let spool = state.spool(parcel.record.id);
    let folder = spool.join("record");
    // Left by a crash before EXIT was journalled: what is in it was never promised to anybody.
    remove(&spool.join("parcel.json"))?;
    remove(&folder)?;
    fs::create_dir_all(&folder).map_err(wrap(&folder))?;
    let Story { attempts, error_log, limits, tail, publish, artifacts, .. } = story;
    let (attempts, publish) = (*attempts, *publish);
    take_output(&spool, &folder, attempts, &parcel.record.then)?;
    take_artifacts(&spool, &folder, attempts)?;

    let whole = told::whole(&spool, story, &parcel.record.then);
    let text = if publish == Publish::Full {
        told::numbered(&whole.events).map_err(wrap(&folder))?
    } else {
        let kept = state.kept(parcel.record.id);
        kept::withhold(&mut parcel.record, publish, artifacts.clone(), &folder, &kept, &whole)?
    };
    if publish == Publish::Tail {
        // The record's folder was made anew.
        take_artifacts(&spool, &folder, attempts)?;
    }
    let tail = if publish == Publish::Digest { &[] } else { &tail[..] };
    let digested = if planted::is(Bug::HalfDigest) { &text[..text.len() / 2] } else { &text[..] };
    parcel.record.log_sha256 = Some(HEXLOWER.encode(&Sha256::digest(digested)));
    let status = parcel.record.to_status_yaml()?;
    let told = summary::dispatch_log(&parcel.record, Extras { limits, tail });
    let files = [("log.jsonl", &text[..]), ("status.yml", status.as_bytes()), ("dispatch.log", told.as_bytes())];
    let error_log = error_log.as_ref().map(|text| ("error.log", text.as_bytes()));
    let mut bytes = 0;
    for (name, text) in files.into_iter().chain(error_log) {
        put(&folder.join(name), text)?;
        bytes += text.len() as u64;
    }
    // Without a draft: nobody believes it before EXIT, which follows a sync, and half of it is no JSON.
    let parcel_text = serde_json::to_vec_pretty(&parcel).map_err(io::Error::other).map_err(wrap(&spool))?;
    put(&spool.join("parcel.json"), &parcel_text)?;
    bytes += parcel_text.len() as u64 + artifacts.iter().map(|artifact| artifact.bytes).sum::<u64>();
    if attempts > 1 || !parcel.record.then.is_empty() {
        bytes = bytes_below(&spool);
    } else if attempts == 1 {
        bytes += fs::metadata(told::printed_in(&spool.join("1"))).map_or(0, |found| found.len());
    }
    Ok(Sealed { parcel, bytes })
}

/// Makes everything that was sealed durable; EXIT may be journalled afterwards and not before.
///
/// # Errors
/// [`SpoolError::Durable`]: what the disk holds is unknown then, and nothing may be built on it.
pub fn sync(state: &StateDir) -> Result<(), SpoolError> {
    if planted::is(Bug::UnsyncedSpool) {
        return Ok(());
    }
    Ok(durable::sync_filesystem(state.root())?)
}

/// Writes the parcel alone, as when its place had to change.
///
/// # Errors
/// [`SpoolError`].
pub fn save(state: &StateDir, parcel: &Parcel) -> Result<(), SpoolError> {
    let text = serde_json::to_vec_pretty(parcel).map_err(io::Error::other).map_err(wrap(state.root()))?;
    Ok(durable::write_file(&state.spool(parcel.record.id).join("parcel.json"), &text, 0o600)?)
}

/// Notes that main has no more than the status of this record ([`Parcel::reduced_for`]). The rest stays in the spool.
///
/// # Errors
/// [`SpoolError`].
pub fn note_reduced(state: &StateDir, reduced: &Parcel) -> Result<(), SpoolError> {
    let text = reduced.record.to_status_yaml()?;
    durable::write_file(&state.spool(reduced.record.id).join("record/status.yml"), text.as_bytes(), 0o644)?;
    save(state, reduced)
}

/// The parcel of an ended request; `None` where the spool has none (it was lost with its disk).
pub fn load(state: &StateDir, id: RequestId) -> Option<Parcel> {
    let text = fs::read(state.spool(id).join("parcel.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Removes the folders of requests (named by id, perhaps with an attempt's number behind) that `gone` says are done with.
///
/// # Errors
/// [`SpoolError::Io`].
pub fn prune(folder: &Path, gone: impl Fn(RequestId) -> bool) -> Result<(), SpoolError> {
    for entry in fs::read_dir(folder).map_err(wrap(folder))? {
        let entry = entry.map_err(wrap(folder))?;
        let id = entry.file_name().to_str().and_then(|name| name.split('.').next()?.parse().ok());
        if id.is_some_and(&gone) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Bytes of everything below a folder; what vanishes meanwhile counts nothing.
pub fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Handler logs of all attempts, the last one under its plain name with what the actions printed behind it.
fn take_output(spool: &Path, folder: &Path, attempts: u32, then: &[ActionRun]) -> Result<(), SpoolError> {
    for attempt in 1..=attempts {
        let from = told::printed_in(&spool.join(attempt.to_string()));
        let last = attempt == attempts;
        let to = folder.join(if last { "handler.log".to_owned() } else { format!("handler-{attempt}.log") });
        // It grows no more, unless what actions printed comes behind it.
        if (last && !then.is_empty()) || fs::hard_link(&from, &to).is_err() {
            copy(&from, &to)?;
        }
    }
    for (number, run) in (1..).zip(then) {
        let path = told::printed_in(&action_folder_in(spool, attempts, number));
        if let Ok(printed) = fs::read(&path) {
            append(&folder.join("handler.log"), format!("[… then {} …]\n", run.name).as_bytes(), &printed)?;
        }
    }
    Ok(())
}

/// The files that the handler left in its last attempt.
fn take_artifacts(spool: &Path, folder: &Path, attempts: u32) -> Result<(), SpoolError> {
    let files = spool.join(attempts.to_string()).join("files");
    let mut found = Vec::new();
    if attempts > 0 && files.is_dir() {
        list(&files, "", &mut found)?;
    }
    for (name, from) in found {
        let to = folder.join(name);
        let above = to.parent().unwrap_or(folder);
        // Names are the handler's choice: whatever one of them is in the way of, the record itself must come about.
        if let Err(error) = fs::create_dir_all(above).and_then(|()| fs::hard_link(&from, &to)) {
            tracing::warn!("leaving `{}` out of the record: {error}", from.display());
        }
    }
    Ok(())
}

fn list(folder: &Path, below: &str, found: &mut Vec<(String, PathBuf)>) -> Result<(), SpoolError> {
    for entry in fs::read_dir(folder).map_err(wrap(folder))? {
        let entry = entry.map_err(wrap(folder))?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(wrap(folder))?.is_dir() {
            list(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.push((name, entry.path()));
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), SpoolError> {
    match fs::copy(from, to) {
        Ok(_) => Ok(()),
        // An attempt that was cut off before its handler ran has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => put(to, b""),
        Err(error) => Err(wrap(to)(error)),
    }
}

fn append(path: &Path, head: &[u8], bytes: &[u8]) -> Result<(), SpoolError> {
    let file = fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(head).and_then(|()| file.write_all(bytes))).map_err(wrap(path))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    fs::write(path, bytes).map_err(wrap(path))
}

fn remove(path: &Path) -> Result<(), SpoolError> {
    let removed = removal::remove_tree(path);
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(wrap(path)(error)),
        _ => Ok(()),
    }
}

fn wrap(path: &Path) -> impl Fn(io::Error) -> SpoolError + '_ {
    move |source| SpoolError::Io { path: path.to_owned(), source }
}
