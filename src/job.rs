//! The job: a request that has been routed and allowed, with everything an executor needs to know.
//!
//! Owns the data that routing and policy produce (`Row` from the router table, `Grant` from the host file) and the `Job`
//! that carries both. It parses nothing and decides nothing: `route.rs` reads rows, `policy.rs` makes grants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::request::Request;
use crate::resource::Template;
use crate::units;

/// One request on its way to a handler. Every object id is the lower-case hex of a git object.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The request's own id, or the one derived from where it was introduced.
    pub id: Uuid,
    /// The request's kind.
    pub kind: String,
    /// The request's file name without `.yml` or `.yaml`.
    pub name: String,
    /// The folder below the inbox that the request lies in, if any.
    pub folder: Option<String>,
    /// The parsed request.
    pub request: Request,
    /// The row of the router table, as the index asks.
    pub row: Row,
    /// What the host file allows of it.
    pub grant: Grant,
    /// The lock keys to hold while it works, in the order to take them.
    pub locks: BTreeSet<String>,
    /// The objects it was read from.
    pub objects: Objects,
    /// Where the request came into the mainline.
    pub introduced: Introduced,
}

/// The git objects that a job is made of; they stand in its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objects {
    /// The admitted commit.
    pub commit: String,
    /// The request file.
    pub request_blob: String,
    /// The handler's file, where it is one of the repository's.
    pub handler_blob: Option<String>,
    /// The kind's schema, where it has one.
    pub schema_blob: Option<String>,
    /// The router table.
    pub index_blob: String,
}

/// The commit that gave a request's path its present blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Introduced {
    /// The commit's object id.
    pub commit: String,
    /// Its position on the mainline's first-parent line, the root being 0.
    pub position: u64,
    /// Its committer date.
    pub time: Timestamp,
    /// Its author, as `Name <mail>`.
    pub author: String,
    /// Its committer, as `Name <mail>`.
    pub committer: String,
}

/// One kind's row of the router table, defaults filled in except where the host file may lower them.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The kind that the row serves.
    pub kind: String,
    /// The command: its first word is a path in the repository, or absolute. Never passed to a shell, never split.
    pub run: Vec<String>,
    /// What the kind does, for people and agents.
    pub description: Option<String>,
    /// The schema's path in the repository; none means `schemas/<kind>.schema.json` where that exists.
    pub schema: Option<String>,
    /// Lock keys over the request; empty means that the kind is the key.
    pub resource: Vec<Template>,
    /// How long an attempt may run; none means [`Row::TIMEOUT`], or the host's ceiling where that is lower.
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub grace: Duration,
    /// Whether a second start is harmless.
    pub delivery: Delivery,
    /// When and how often to try again; always there for at-least-once kinds, never for others.
    pub retry: Option<Retry>,
    /// The age, counted from the introducing commit, past which a request of this kind ends `expired`.
    pub expires: Option<Duration>,
    /// How much of the outcome is committed.
    pub publish: Publish,
    /// Actions of the host file to run after exit 0, in order.
    pub then: Vec<String>,
    /// What the handler's working directory is made of.
    pub workspace: Workspace,
    /// The limits that the handler runs in.
    pub sandbox: Sandbox,
    /// The secrets that the handler wants.
    pub secrets: Vec<String>,
    /// Whether secrets are environment variables too.
    pub secrets_env: bool,
    /// Environment variables for the handler.
    pub env: BTreeMap<String, String>,
}

impl Row {
    /// The default for `timeout`.
    pub const TIMEOUT: Duration = Duration::from_mins(15);
    /// The default for `grace`.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// A row with every default, as the flat form `kind: handlers/file` writes it.
    pub fn flat(kind: impl Into<String>, run: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            run: vec![run.into()],
            description: None,
            schema: None,
            resource: Vec::new(),
            timeout: None,
            grace: Self::GRACE,
            delivery: Delivery::AtMostOnce,
            retry: None,
            expires: None,
            publish: Publish::Full,
            then: Vec::new(),
            workspace: Workspace::Snapshot,
            sandbox: Sandbox::default(),
            secrets: Vec::new(),
            secrets_env: false,
            env: BTreeMap::new(),
        }
    }

    /// Whether it asks for something on the host that its runs keep; see [`Grant::keeps_files`].
    pub fn keeps_files(&self) -> bool {
        let Sandbox { write, cache, .. } = &self.sandbox;
        !write.is_empty() || *cache > 0 || self.workspace == Workspace::Persistent
    }

    /// The program's path in the repository, or nothing where the first word is absolute.
    pub fn program_in_repository(&self) -> Option<&str> {
        self.run.first().map(String::as_str).filter(|word| !word.starts_with('/'))
    }
}

/// How often a handler may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Once, and never again, even where it is unknown how that start ended.
    AtMostOnce,
    /// Until it has ended: the handler is safe to run again.
    AtLeastOnce,
}

/// How an at-least-once kind is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Starts in all, the first one counted.
    pub attempts: u32,
    /// The pause after the first failure; it doubles.
    #[serde(serialize_with = "units::serialize_duration")]
    pub backoff: Duration,
    /// The longest pause.
    #[serde(serialize_with = "units::serialize_duration")]
    pub max_backoff: Duration,
    /// Exit codes that ask for another try.
    pub on: Vec<u8>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, backoff: Duration::from_secs(30), max_backoff: Duration::from_mins(10), on: vec![75] }
    }
}

/// How much of an outcome is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Publish {
    /// Output, result and artifacts.
    #[default]
    Full,
    /// The end of the output.
    Tail,
    /// Digests and sizes only.
    Digest,
}

impl Publish {
    /// Whether all of it is.
    pub fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// What a handler's working directory is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workspace {
    /// The tree of the admitted commit.
    Snapshot,
    /// A writable checkout that is kept for each resource.
    Persistent,
}

/// How far a handler is kept from the machine, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A process group, a timeout, a scrubbed environment and capped output.
    None,
    /// Landlock, seccomp and rlimits, without namespaces.
    Confined,
    /// Own namespaces, a read-only view of the system, control groups.
    #[default]
    Isolated,
}

impl Level {
    /// The word that files use for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Confined => "confined",
            Self::Isolated => "isolated",
        }
    }

    /// The level of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::None, Self::Confined, Self::Isolated].into_iter().find(|level| level.as_str() == word)
    }
}

/// What a handler may reach over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing, not even the host's loopback.
    #[default]
    None,
    /// All that the host reaches.
    Host,
    /// The host's network, with TCP connects to these ports only, and no TCP port to listen on. UDP is not narrowed.
    Tcp(Vec<u16>),
}

/// The `sandbox` of a row: what the index asks for. A limit that is `None` takes its default, or the host's ceiling where that is lower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// How far the handler is kept from the machine.
    pub level: Level,
    /// What it may reach over the network.
    pub network: Network,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Processor time.
    pub cpu_time: Option<Duration>,
    /// The longest file it may write, in bytes.
    pub file_size: Option<u64>,
    /// The size of /tmp, in bytes.
    pub tmp: Option<u64>,
    /// The size of its work folder, in bytes.
    pub work: Option<u64>,
    /// Output kept, in bytes.
    pub output: Option<u64>,
    /// Artifacts kept, in bytes.
    pub artifacts: Option<u64>,
    /// The size of the kept cache, in bytes; 0 is none.
    pub cache: u64,
    /// Host paths to read: absolute and normalised.
    pub read: Vec<PathBuf>,
    /// Host paths to write: absolute and normalised.
    pub write: Vec<PathBuf>,
}

/// What the host file allows a job: the decision of `policy::permit`, and all that an executor obeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// How far the handler is kept from the machine.
    pub level: Level,
    /// What it may reach over the network.
    pub network: Network,
    /// Host paths to read.
    pub read: Vec<PathBuf>,
    /// Host paths to write.
    pub write: Vec<PathBuf>,
    /// Secrets to deliver, by name and origin, never by value.
    pub secrets: Vec<SecretGrant>,
    /// The limits in force.
    pub limits: Limits,
    /// The user to run as, a name or a number; none means the slot's own uid.
    pub run_as: Option<String>,
    /// What the dispatcher does itself after a success, in order.
    pub actions: Vec<ActionGrant>,
}

/// An action of the host file that follows a success: the owner's command, never the repository's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionGrant {
    /// Its name in the host file.
    pub name: String,
    /// The command; a first word without a slash is looked up in a fixed PATH.
    pub run: Vec<String>,
    /// How long it may take.
    #[serde(serialize_with = "units::serialize_duration")]
    pub timeout: Duration,
}

impl Grant {
    /// Whether its runs leave something on the host that the next ones find, so that they have to be one and the same user.
    pub fn keeps_files(&self) -> bool {
        !self.write.is_empty() || self.limits.cache > 0 || self.limits.checkout > 0
    }
}

/// A secret that a job may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretGrant {
    /// The name that the handler knows it by.
    pub name: String,
    /// Where its value is read.
    pub source: SecretSource,
}

/// Where a secret's value is read. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A file of the host, by absolute path.
    File(PathBuf),
    /// A systemd credential, by name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A variable of the dispatcher's own environment.
    Env(String),
}

/// The limits in force for a job; sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// How long an attempt may run.
    #[serde(serialize_with = "units::serialize_duration")]
    pub timeout: Duration,
    /// The time between TERM and KILL.
    #[serde(serialize_with = "units::serialize_duration")]
    pub grace: Duration,
    /// Memory.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Processor time.
    #[serde(serialize_with = "units::serialize_duration")]
    pub cpu_time: Duration,
    /// The longest file.
    pub file_size: u64,
    /// The size of /tmp.
    pub tmp: u64,
    /// The size of the work folder.
    pub work: u64,
    /// Output kept.
    pub output: u64,
    /// Artifacts kept.
    pub artifacts: u64,
    /// The kept cache; 0 where the kind has none.
    pub cache: u64,
    /// The kept checkout; 0 where the kind has none.
    pub checkout: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            timeout: Row::TIMEOUT,
            grace: Row::GRACE,
            memory: 512 * MIB,
            pids: 256,
            cpu_time: Duration::from_mins(10),
            file_size: 1024 * MIB,
            tmp: 64 * MIB,
            work: 256 * MIB,
            output: MIB,
            artifacts: 16 * MIB,
            cache: 0,
            checkout: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(Level::None < Level::Confined && Level::Confined < Level::Isolated);
        for level in [Level::None, Level::Confined, Level::Isolated] {
            assert_eq!(Level::from_word(level.as_str()), Some(level));
        }
        assert_eq!(Level::from_word("Isolated"), None);
    }

    #[test]
    fn an_absolute_program_is_not_the_repositorys() {
        let mut row = Row::flat("deploy", "handlers/deploy.sh");
        assert_eq!(row.program_in_repository(), Some("handlers/deploy.sh"));
        row.run = vec!["/usr/bin/env".into(), "handlers/deploy.sh".into()];
        assert_eq!(row.program_in_repository(), None);
    }

    #[test]
    fn a_grant_prints_durations_as_people_write_them() {
        let limits = serde_json::to_value(Limits::default()).unwrap();
        assert_eq!(limits["timeout"], "15m");
        assert_eq!(limits["memory"], 536_870_912);
    }
}
