//! What is kept of a request: `status.yml`, and beside it `log.jsonl`, `dispatch.log`, `error.log` and the commit message.
//!
//! Owns the shape of these texts and the reading back of them. Pure: never touches a file, a clock or a
//! process, and never decides an outcome. Masking secrets is the caller's, before anything comes here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::id::RequestId;
use crate::job::Publish;
use crate::outcome::{ActionRun, Attempt, Outcome, Status};
use crate::yaml;

pub mod commit;
pub mod emit;
pub mod end;
pub mod from_handler;
pub mod log;
pub mod report;
pub mod summary;
pub mod visible;

/// Version of `status.yml` that this program writes.
pub const VERSION: u32 = 1;

/// The content of `status.yml`, in the order in which it is written. What is not known is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub v: u32,
    /// One of the three words of the original contract.
    pub status: Status,
    /// How it ended.
    pub outcome: Outcome,
    /// The request's id.
    pub id: RequestId,
    /// Its kind; missing where the request could not be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Path of the request below the inbox, without its extension.
    pub name: String,
    /// Lock keys it was run under: one word, or a list where there were several.
    #[serde(default, with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// The handler's exit code, or the number that stands for the outcome ([`Outcome::exit_code`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that ended the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why, in a word or a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every start, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The actions of the host file that follow a success, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<ActionRun>,
    /// When the introducing commit was made.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// When the first attempt started.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the outcome was known. Where nobody saw the end of a run that is later than the run.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// From the first start to the end, on the monotonic clock where one process saw both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Node on which it was handled.
    pub host: String,
    /// Name and version of the program.
    pub dispatcher: String,
    /// The admitted commit.
    pub commit: String,
    /// Who asked, from the introducing commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<RequestedBy>,
    /// Object id of the request file.
    pub request_blob: String,
    /// Object id of the handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler_blob: Option<String>,
    /// Object id of the kind's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_blob: Option<String>,
    /// Object id of the router table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_blob: Option<String>,
    /// SHA-256 of the host file, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_file_sha256: Option<String>,
    /// User that the handler ran as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// What contained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// SHA-256 of `log.jsonl`, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_sha256: Option<String>,
    /// How much it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputCount>,
    /// How much of it was committed, where that is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// What lies whole on `host` then: sizes and digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The request's idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The earlier request whose outcome this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<RequestId>,
    /// The request that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<RequestId>,
    /// The request (`dispatch.resolve`) that ended this one by a person's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<RequestId>,
    /// The request (`dispatch.cancel`) that ended this one, before a start or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<RequestId>,
    /// What the handler wrote to `$DISPATCH_RESULT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// What else the handler wrote into its own `status.yml`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub handler: Map<String, Value>,
    /// Files the handler left that were not taken, each `name: reason`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What a reader should know although it changed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The server's words where it declined the full record and only this file was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

/// Who asked: the introducing commit and the people in it. None of it is proof unless the commit is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedBy {
    /// `Name <address>`.
    pub author: String,
    /// `Name <address>`.
    pub committer: String,
    /// Object id.
    pub commit: String,
}

/// What contained the handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// `isolated`, `confined` or `none`.
    pub level: String,
    /// The layers that were really active; where nobody has seen the end of the run, those found before its start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// How much a handler printed, in bytes after masking: `bytes` = `kept` + `dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputCount {
    /// In all.
    pub bytes: u64,
    /// In the record.
    pub kept: u64,
    /// Lost to the cap or to a full disk.
    pub dropped: u64,
}

/// What was not committed, or not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The whole `log.jsonl`.
    pub log: Digest,
    /// The whole `handler.log`.
    pub handler_log: Digest,
    /// The result as JSON without blanks, where it was not committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Digest>,
    /// The files that the handler left, where they were not committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// Size and digest of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// A file that a handler left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Below the record's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in hex.
    pub sha256: String,
}

/// A `status.yml` that is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not YAML as this program writes it.
    #[error("reading record:\n{0}")]
    Yaml(Box<Diagnostic>),
    /// YAML, but not a record; one of the original shell dispatcher, perhaps.
    #[error("reading record `{file}`: {fault}")]
    Shape {
        /// Which file.
        file: String,
        /// What is missing or wrong.
        fault: String,
    },
    /// Written by a later version of this program.
    #[error("reading record `{file}`: version {found} is newer than {VERSION}, which this program knows")]
    Newer {
        /// Which file.
        file: String,
        /// Its version.
        found: u64,
    },
    /// A record that cannot be put into YAML; a fault of this program.
    #[error("writing record")]
    Write(#[source] serde_json::Error),
}

impl Record {
    /// The least that every record has; the rest is empty. `status` follows the outcome.
    pub fn new(outcome: Outcome, id: RequestId, name: impl Into<String>) -> Self {
        Self {
            v: VERSION,
            status: outcome.status(),
            outcome,
            id,
            kind: None,
            name: name.into(),
            resource: Vec::new(),
            exit_code: outcome.exit_code(None),
            signal: None,
            reason: None,
            attempts: Vec::new(),
            then: Vec::new(),
            queued_at: None,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            host: String::new(),
            dispatcher: concat!("codex-dispatch ", env!("CARGO_PKG_VERSION")).to_owned(),
            commit: String::new(),
            requested_by: None,
            request_blob: String::new(),
            handler_blob: None,
            schema_blob: None,
            index_blob: None,
            host_file_sha256: None,
            run_as: None,
            sandbox: None,
            log_sha256: None,
            output: None,
            publish: None,
            kept: None,
            idempotency_key: None,
            replay_of: None,
            rerun_of: None,
            resolved_by: None,
            cancelled_by: None,
            result: None,
            handler: Map::new(),
            skipped: Vec::new(),
            warnings: Vec::new(),
            withheld: None,
        }
    }

    /// Takes over what the attempts say: exit code, signal, reason, start and end of the whole.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        if let Some(last) = attempts.last() {
            self.exit_code = self.outcome.exit_code(last.exit_code);
            self.signal = last.signal;
            self.finished_at = last.finished_at;
            if self.reason.is_none() {
                self.reason.clone_from(&last.reason);
            }
        }
        self.started_at = attempts.first().map(|first| first.started_at);
        self.duration_ms =
            self.started_at.zip(self.finished_at).map(|(start, end)| crate::clock::millis_between(start, end));
        self.attempts = attempts;
        self
    }

    /// Takes over what the actions after a success came to, the last of which was over at `end`.
    #[must_use]
    pub fn with_actions(mut self, then: Vec<ActionRun>, end: Timestamp) -> Self {
        self.finished_at = Some(end);
        self.duration_ms = self.started_at.map(|start| crate::clock::millis_between(start, end));
        self.then = then;
        self
    }

    /// `rc=` of the commit message.
    pub fn rc(&self) -> i32 {
        self.outcome.rc(self.exit_code, self.signal)
    }

    /// The text of `status.yml`.
    ///
    /// # Errors
    /// [`Error::Write`], which would be a fault of this program.
    pub fn to_status_yaml(&self) -> Result<String, Error> {
        let value = serde_json::to_value(self).map_err(Error::Write)?;
        Ok(emit::yaml(&value))
    }

    /// Reads a `status.yml` back; keys of later additions are passed over. `file` is for messages.
    ///
    /// # Errors
    /// Where it is no YAML, no record, or of a newer version.
    pub fn from_yaml(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let document =
            yaml::read(file, bytes, yaml::Limits::REPOSITORY).map_err(|fault| Error::Yaml(Box::new(fault)))?;
        let found = document.value().get("v").and_then(Value::as_u64);
        if let Some(found) = found.filter(|&found| found > u64::from(VERSION)) {
            return Err(Error::Newer { file: file.to_owned(), found });
        }
        Self::deserialize(document.value())
            .map_err(|fault| Error::Shape { file: file.to_owned(), fault: fault.to_string() })
    }
}

/// A list that is written as its only element where it has one.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    pub fn serialize<S: Serializer>(list: &Vec<String>, to: S) -> Result<S::Ok, S::Error> {
        match list.as_slice() {
            [one] => one.serialize(to),
            many => many.serialize(to),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(match OneOrMany::deserialize(from)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}

#[cfg(test)]
mod tests;
