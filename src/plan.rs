//! What would become of a request: the verdict of admission, and all that would decide about its run: handler and objects,
//! limits, layers, secrets, locks, its place in the queue. Looks, and changes nothing; starts a slot for a moment to see
//! which layers this machine has. What it tells is true of main as this clone knows it, and of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::admit::{self, Admitted, Verdict};
use crate::config::Layout;
use crate::contract::Contract;
use crate::diagnostic::Diagnostic;
use crate::host::{self, Host};
use crate::id::RequestId;
use crate::inbox;
use crate::job::{ActionGrant, Delivery, Limits, Network, Objects, Publish, Retry};
use crate::repo::{Oid, Repo, RepoError, blob_id};
use crate::request::{self, Target};
use crate::trial::Trial;
use crate::units;
use crate::view::{Line, View, ViewError};

/// Slot number of the trial; workers count from 0.
const SLOT: u32 = 9980;

/// What would become of a request.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Version of this document.
    pub v: u32,
    /// Where it lies, or would lie.
    pub path: String,
    /// Whether it lies there on main.
    pub on_main: bool,
    /// `ready`, `rejected` or `held`.
    pub verdict: &'static str,
    /// The class of a refusal.
    pub reason: Option<&'static str>,
    /// Every fault, with what to do: for what the host file refuses, the line to add.
    pub diagnostics: Vec<Diagnostic>,
    /// Its id; none where it gets one from the commit that brings it.
    pub id: Option<RequestId>,
    /// Its kind, as far as it could be read.
    pub kind: Option<String>,
    /// Whose it is, where it names that, and whether this node is meant.
    pub target: Option<Aim>,
    /// The host file that decided.
    pub host_file: HostFileSeen,
    /// How it would run; none where it would not.
    pub run: Option<Run>,
    /// What stands before it.
    pub queue: Queue,
}

/// Whom a request is for.
#[derive(Debug, Serialize)]
pub struct Aim {
    /// In its own words.
    #[serde(flatten)]
    pub target: Target,
    /// Whether this node is meant.
    pub here: bool,
}

/// The host file.
#[derive(Debug, Serialize)]
pub struct HostFileSeen {
    /// Its path.
    pub file: String,
    /// Its digest; none where there is no such file and the defaults hold.
    pub sha256: Option<String>,
}

/// How a request would run.
#[derive(Debug, Serialize)]
pub struct Run {
    /// The objects it would be made of.
    pub objects: Objects,
    /// The command up to its own arguments.
    pub command: Vec<String>,
    /// The level.
    pub level: &'static str,
    /// The layers that this machine has for it.
    pub layers: Vec<String>,
    /// What keeps this machine from that level, and what to do.
    pub lacks: Option<String>,
    /// What it may reach over the network.
    pub network: Network,
    /// Limits after request, row and host file.
    pub limits: Limits,
    /// Host paths that it reads and writes.
    pub read: Vec<std::path::PathBuf>,
    /// See above.
    pub write: Vec<std::path::PathBuf>,
    /// Its secrets.
    pub secrets: Vec<SecretSeen>,
    /// As whom, in words.
    pub user: String,
    /// How often it may start.
    pub delivery: Delivery,
    /// How it is tried again.
    pub retry: Option<Retry>,
    /// It does not start before.
    pub not_before: Option<Timestamp>,
    /// Past it, it does not run.
    pub expires: Option<Timestamp>,
    /// From its commit on, it does not run past this age.
    pub expires_after: Option<String>,
    /// How much of the outcome is committed.
    pub publish: Publish,
    /// What follows a success.
    pub actions: Vec<ActionGrant>,
    /// Where its record would lie; parts in `<…>` are known once it is merged.
    pub record: String,
    /// The locks it needs.
    pub locks: Vec<LockSeen>,
}

/// A secret, never its value.
#[derive(Debug, Serialize)]
pub struct SecretSeen {
    /// Its name.
    pub name: String,
    /// Whether it has a value now.
    pub there: bool,
    /// Why not.
    pub fault: Option<String>,
}

/// A lock.
#[derive(Debug, Serialize)]
pub struct LockSeen {
    /// Its key.
    pub key: String,
    /// The request that works with it now.
    pub held_by: Option<Other>,
}

/// Its place in the queue.
#[derive(Debug, Default, Serialize)]
pub struct Queue {
    /// How many requests that may run stand before it.
    pub before: usize,
    /// How many may run at once.
    pub jobs: u32,
    /// Those of them that share a lock with it: it waits for each.
    pub waits_for: Vec<Other>,
    /// Nothing is started now, and why.
    pub stopped: Option<String>,
}

/// Another request.
#[derive(Clone, Debug, Serialize)]
pub struct Other {
    /// Its id.
    pub id: RequestId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Option<String>,
    /// Where it stands.
    pub state: String,
}

impl Other {
    fn of(line: &Line) -> Self {
        Self { id: line.id, name: line.name.clone(), kind: line.kind.clone(), state: line.state.clone() }
    }
}

/// What is looked at.
pub struct Subject<'a> {
    /// The clone, to read.
    pub repo: &'a Repo,
    /// What one commit says.
    pub contract: &'a Contract,
    /// What is known of other requests.
    pub view: &'a View,
    /// The machine.
    pub host: &'a Host,
    /// The program that is executed as keeper.
    pub keeper: &'a Path,
    /// What keeps everything from being started, in words.
    pub stopped: Option<String>,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// Other requests.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl Plan {
    /// Looks at a request. `path` is where it lies in the inbox or would lie.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn of(subject: &Subject<'_>, path: &str, shown: &str, bytes: &[u8]) -> Result<Self, PlanError> {
        let Subject { contract, host, view, .. } = subject;
        let blob = blob_id(bytes);
        let pending = view.pending()?;
        let at = pending.iter().position(|line| line.path.as_deref() == Some(path));
        let own = at.map(|at| &pending[at]).filter(|_| stands(subject, path, blob).unwrap_or(false));
        let verdict = admit::admit(&contract.rules, &host.file, shown, bytes, || {
            own.map_or_else(Uuid::nil, |line| line.id.uuid())
        });
        let (hinted_kind, hinted_id) = request::hints(shown, bytes);
        let target = request::target_of(shown, bytes);
        let here = target.as_ref().is_none_or(|target| target.means(&host.node, &host.file.labels));
        let mut plan = Self {
            v: 1,
            path: path.to_owned(),
            on_main: own.is_some(),
            verdict: "ready",
            reason: None,
            diagnostics: Vec::new(),
            id: hinted_id.map(RequestId::explicit).or(own.map(|line| line.id)),
            kind: hinted_kind,
            target: target.map(|target| Aim { target, here }),
            host_file: HostFileSeen { file: host.file.file.clone(), sha256: host.sha256.clone() },
            run: None,
            queue: Queue { jobs: host.jobs, stopped: subject.stopped.clone(), ..Queue::default() },
        };
        let before: Vec<&Line> = pending
            .iter()
            .take(own.and(at).unwrap_or(pending.len()))
            .filter(|line| line.state != "held" && !view.is_for_another(line))
            .collect();
        plan.queue.before = before.len();
        match verdict {
            Verdict::Command(_) => {}
            Verdict::Rejected(rejection) => {
                (plan.verdict, plan.reason, plan.diagnostics) = ("rejected", Some(rejection.reason), rejection.faults);
            }
            Verdict::Held { faults, .. } => {
                (plan.verdict, plan.reason, plan.diagnostics) = ("held", Some("repository"), faults);
            }
            Verdict::Ready(admitted) => {
                let sharing = sharing(subject, &before, &admitted.locks)?;
                plan.queue.waits_for = sharing.iter().map(|(line, _)| Other::of(line)).collect();
                plan.run = Some(run(subject, path, blob, &admitted, own, &sharing, here));
                if let Some(end) = admitted.request.expires.filter(|end| *end <= Timestamp::now()) {
                    let fault = Diagnostic::new("E0209", shown, format!("the request expired at {end}"));
                    (plan.verdict, plan.reason, plan.diagnostics) = ("rejected", Some("expired"), vec![fault]);
                }
            }
        }
        Ok(plan)
    }

    /// Whether this machine lacks a layer that the run needs, and is meant.
    pub fn lacks_layer(&self) -> bool {
        let here = self.target.as_ref().is_none_or(|aim| aim.here);
        here && self.run.as_ref().is_some_and(|run| run.lacks.is_some())
    }
}

/// Whether main has this very file at that path.
fn stands(subject: &Subject<'_>, path: &str, blob: Oid) -> Result<bool, RepoError> {
    let Some(tip) = subject.view.tip() else { return Ok(false) };
    Ok(subject.repo.entry_at(tip, path)?.is_some_and(|entry| entry.oid == blob))
}

/// Requests before it that need one of its locks, each with those that they share.
fn sharing<'l>(
    subject: &Subject<'_>,
    before: &[&'l Line],
    locks: &BTreeSet<String>,
) -> Result<Vec<(&'l Line, BTreeSet<String>)>, PlanError> {
    let Some(tip) = subject.view.tip() else { return Ok(Vec::new()) };
    let entries = inbox::read(subject.repo, tip, subject.view.config())?.entries;
    let by_path: BTreeMap<&str, _> = entries.iter().map(|entry| (entry.shown.as_str(), entry)).collect();
    let mut found = Vec::new();
    for line in before {
        let Some(entry) = line.path.as_deref().and_then(|path| by_path.get(path)) else { continue };
        let Ok(bytes) = inbox::bytes(subject.repo, entry)? else { continue };
        let (rules, host) = (&subject.contract.rules, &subject.host.file);
        if let Verdict::Ready(other) = admit::admit(rules, host, &entry.shown, &bytes, || line.id.uuid()) {
            let shared: BTreeSet<String> = other.locks.intersection(locks).cloned().collect();
            if !shared.is_empty() {
                found.push((*line, shared));
            }
        }
    }
    Ok(found)
}

fn run(
    subject: &Subject<'_>,
    path: &str,
    blob: Oid,
    admitted: &Admitted,
    own: Option<&Line>,
    sharing: &[(&Line, BTreeSet<String>)],
    here: bool,
) -> Run {
    let Admitted { request, kind, grant, locks } = admitted;
    let Subject { contract, host, keeper, .. } = subject;
    let (layers, lacks) = if here { layers(host, grant.level, &grant.network, keeper) } else { (Vec::new(), None) };
    let holder = |key: &String| {
        let runs = |line: &Line| matches!(line.state.as_str(), "running" | "retrying" | "interrupted");
        sharing.iter().find(|(line, keys)| keys.contains(key) && runs(line)).map(|(line, _)| Other::of(line))
    };
    let secret = |grant: &crate::job::SecretGrant| {
        let fault = host::resolve_secret(grant).err().map(|error| error.in_full());
        SecretSeen { name: grant.name.clone(), there: fault.is_none(), fault }
    };
    Run {
        objects: Objects {
            commit: contract.commit.to_string(),
            request_blob: blob.to_string(),
            handler_blob: kind.handler_blob.clone(),
            schema_blob: kind.schema_blob.clone(),
            index_blob: contract.index_blob.clone(),
        },
        command: kind.command.clone(),
        level: grant.level.as_str(),
        layers,
        lacks,
        network: grant.network.clone(),
        limits: grant.limits.clone(),
        read: grant.read.clone(),
        write: grant.write.clone(),
        secrets: if here { grant.secrets.iter().map(secret).collect() } else { Vec::new() },
        user: user(host, grant),
        delivery: kind.row.delivery,
        retry: kind.row.retry.clone(),
        not_before: request.not_before,
        expires: request.expires,
        expires_after: kind.row.expires.map(units::format_duration),
        publish: kind.row.publish,
        actions: grant.actions.clone(),
        record: record(contract, path, own),
        locks: locks.iter().map(|key| LockSeen { key: key.clone(), held_by: holder(key) }).collect(),
    }
}

/// The layers of a level on this machine, or what it lacks.
fn layers(host: &Host, level: crate::job::Level, network: &Network, keeper: &Path) -> (Vec<String>, Option<String>) {
    let lacking =
        |fault: &crate::run::sandbox::Unavailable| format!("{}: {}: {}", fault.layer, fault.kernel, fault.hint);
    match Trial::start(SLOT, level, *network != Network::None, keeper) {
        Ok(trial) => {
            let lacks = trial.require(&host.file.levels.require).err().map(|fault| lacking(&fault));
            (trial.layers().to_vec(), lacks)
        }
        Err(fault) => (Vec::new(), Some(lacking(&fault))),
    }
}

fn user(host: &Host, grant: &crate::job::Grant) -> String {
    if let Some(name) = &grant.run_as {
        return name.clone();
    }
    if !rustix::process::geteuid().is_root() {
        return "the dispatcher's own user".to_owned();
    }
    let range = host.file.uids;
    if grant.keeps_files() {
        format!("a uid of {range} that the kind keeps")
    } else {
        format!("the uid of its slot, of {range}")
    }
}

/// The folder of its record, as far as it is known.
fn record(contract: &Contract, path: &str, own: Option<&Line>) -> String {
    let config = &contract.config;
    let name = inbox::name(&config.inbox, path);
    match config.layout {
        Layout::Flat => format!("{}/{name}", config.output),
        Layout::Dated => {
            let (folder, stem) = name.rsplit_once('/').map_or((String::new(), name), |(a, b)| (format!("{a}/"), b));
            let day = own.and_then(|line| line.queued_at.as_ref()?.get(..10).map(|day| day.replace('-', "/")));
            let day = day.unwrap_or_else(|| "<day of its commit>".to_owned());
            let end = own.map_or_else(|| "<end of its id>".to_owned(), |line| line.id.short());
            format!("{}/{folder}{day}/{stem}-{end}", config.output)
        }
    }
}
