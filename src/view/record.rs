//! What main has of one request beyond its outcome: the request itself, what the handler left, the commit that brought the
//! record, and the router table as it was.

use std::collections::{BTreeMap, BTreeSet};

use super::{FILE_BYTES_MAX, Line, View, ViewError};
use crate::config::RepoConfig;
use crate::id::RequestId;
use crate::lock::Instance;
use crate::record::Record;
use crate::repo::{MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, Oid};
use crate::route::Index;
use crate::yaml::Limits;

/// So many commits are looked through for those that brought records.
const COMMITS_MAX: usize = 20_000;
/// How far below its folder a handler's file is looked for, and how many are named.
const LEFT_DEPTH_MAX: usize = 8;
const LEFT_MAX: usize = 2000;
/// The file of a record that says how it ended.
const STATUS: &str = "status.yml";
/// What begins the line of a commit message that names a request.
const TRAILER: &str = "Dispatch-Id: ";

/// The files of a record that are the dispatcher's own.
pub const OWN_FILES: [&str; 5] = [STATUS, "log.jsonl", "handler.log", "dispatch.log", "error.log"];

/// The commit by which a record came to main.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// It.
    pub commit: Oid,
    /// Its committer time, in seconds since 1970 (UTC).
    pub time: i64,
}

impl View {
    /// Where main is fetched from, without credentials, and which branch that is.
    pub fn origin(&self) -> (String, &str) {
        (self.repo.origin().to_string(), self.repo.branch())
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        &self.host.node
    }

    /// Whether a dispatcher works on the state folder now.
    pub fn is_at_work(&self) -> bool {
        self.state.root().is_dir() && Instance::is_held(self.state.root())
    }

    /// The object of a record's folder on main: while it is the same, so is all that the folder holds.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn record_tree(&self, line: &Line) -> Result<Option<Oid>, ViewError> {
        let (Some(tip), Some(folder)) = (self.tip, &line.record) else { return Ok(None) };
        Ok(self.repo.entry_at(tip, folder)?.filter(|entry| entry.mode == MODE_FOLDER).map(|entry| entry.oid))
    }

    /// The record of a request that ended, where it can be read.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn record(&self, line: &Line) -> Result<Option<Record>, ViewError> {
        let text = self.record_file(line, STATUS)?;
        Ok(text.and_then(|text| Record::from_yaml(STATUS, &text).ok()))
    }

    /// The request as its author wrote it, with its path on main: from the inbox, or from the archive once it has ended.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn asked(&self, line: &Line) -> Result<Option<(String, Vec<u8>)>, ViewError> {
        let Some(tip) = self.tip else { return Ok(None) };
        let place = line.record.as_ref().map(|folder| folder.strip_prefix(&self.config.output).unwrap_or(folder));
        let archived = place.map(|place| format!("{}/{}", self.config.archive, place.trim_start_matches('/')));
        let paths = match (&line.path, archived) {
            (Some(path), _) => vec![path.clone()],
            (None, Some(archived)) => vec![format!("{archived}.yml"), format!("{archived}.yaml")],
            (None, None) => Vec::new(),
        };
        for path in paths {
            let blob = self.repo.blob_at(tip, &path, Limits::REQUEST.bytes_max as u64)?;
            if let Some(bytes) = blob.and_then(|blob| blob.bytes) {
                return Ok(Some((path, bytes)));
            }
        }
        Ok(None)
    }

    /// The files that a handler left in its record, by path below the folder, with their sizes.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn left(&self, line: &Line) -> Result<Vec<(String, u64)>, ViewError> {
        let (Some(tip), Some(folder)) = (self.tip, &line.record) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        self.repo.walk(tip, folder, LEFT_DEPTH_MAX, |entry| {
            let name = String::from_utf8_lossy(&entry.name);
            let name = name.strip_prefix(folder.as_str()).unwrap_or(&name).trim_start_matches('/');
            if matches!(entry.mode, MODE_FILE | MODE_EXECUTABLE) && !OWN_FILES.contains(&name) {
                found.push((name.to_owned(), entry.oid));
            }
            found.len() < LEFT_MAX
        })?;
        found.sort();
        // No bytes are asked for: the header of an object tells its size.
        let sized = found.into_iter().map(|(name, oid)| Ok((name, self.repo.blob(oid, 0)?.0)));
        sized.collect::<Result<_, ViewError>>()
    }

    /// The commits that brought the records of these requests, as far as the youngest commits of main tell. What a commit
    /// message says counts only where that very commit put the record there.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn published(&self, lines: &[&Line]) -> Result<BTreeMap<RequestId, Published>, ViewError> {
        let mut missing: BTreeSet<RequestId> = lines.iter().map(|line| line.id).collect();
        let folders: BTreeMap<RequestId, &String> =
            lines.iter().filter_map(|line| Some((line.id, line.record.as_ref()?))).collect();
        let Some(tip) = self.tip.filter(|_| !missing.is_empty()) else { return Ok(BTreeMap::new()) };
        let mut named: Vec<(RequestId, Oid)> = Vec::new();
        self.repo.walk_messages(tip, COMMITS_MAX, |commit, message| {
            let ids = message.lines().filter_map(|line| line.strip_prefix(TRAILER)?.trim().parse::<RequestId>().ok());
            for id in ids {
                if missing.remove(&id) {
                    named.push((id, commit));
                }
            }
            !missing.is_empty()
        })?;
        let mut published = BTreeMap::new();
        for (id, commit) in named {
            let (Some(folder), Some(made)) = (folders.get(&id), self.repo.made(commit)?) else { continue };
            let file = format!("{folder}/{STATUS}");
            let was_there = made.parent.map(|parent| self.repo.exists(parent, &file)).transpose()?.unwrap_or(false);
            if !was_there && self.repo.exists(commit, &file)? {
                published.insert(id, Published { commit, time: made.time });
            }
        }
        Ok(published)
    }

    /// The router table of this object id; `None` where it is not here, or is none.
    pub fn router_table(&self, blob: &str) -> Option<Index> {
        let bytes = self.repo.blob(blob.parse().ok()?, FILE_BYTES_MAX).ok()?.1?;
        // Its folders were those of its own commit; what they forbid was refused then.
        Index::parse(crate::route::PATH, &bytes, &RepoConfig::default()).ok()
    }
}
