//! A rehearsal: a request carried out by the work tree's handler, in the sandbox that `run` would use, and nothing of it kept. No
//! commit is needed and none is made, no lock is taken, no journal written, nothing published.
//!
//! Owns what differs from a run, and says it ([`Rehearsal::differs`]). Admission, executor and record are those of a run.
//!
//! ```text
//! <folder for temporary files>/dispatch-test-…/   state/     as a state folder: spool/, run/, snapshots/
//!                                                 host/      stands in for the host's paths, where that is asked for
//! ```

mod stand_in;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

pub use stand_in::{StandIn, standing};

use crate::admit::{self, Admitted, Kind, Rules, Verdict};
use crate::clock::{Clock, System};
use crate::contract::Contract;
use crate::contract::source::nothing;
use crate::diagnostic::Diagnostic;
use crate::host::{self, Host};
use crate::host_check::Known;
use crate::id::RequestId;
use crate::job::{Delivery, Introduced, Job, Level, Network, Objects, Row, Workspace};
use crate::outcome::Outcome;
use crate::policy::HostFile;
use crate::record::report::Report;
use crate::record::{Artifact, Record, Sandbox};
use crate::repo::{Repo, RepoError, Snapshot, SnapshotError, Snapshots};
use crate::run::sandbox::{Cancel, Control, Unavailable, User};
use crate::run::{Executor as _, Local, RunError, Work, output};
use crate::selftest;
use crate::statedir::{StateDir, StateDirError};
use crate::units::format_duration;

/// Slot number of rehearsals; workers count from 0.
const SLOT: u32 = 9980;
/// How often the output of a handler that runs is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A place to rehearse in, for the work tree as it is now.
pub struct Stage<'a> {
    contract: &'a Contract,
    host: &'a Host,
    base: TempDir,
    state: StateDir,
    snapshot: Arc<Snapshot>,
    keeper: PathBuf,
    /// As root: a user that is nobody's.
    user: Option<User>,
    control: Control,
    /// The slot of the last rehearsal: starting one takes time.
    local: Option<Local>,
    clock: Arc<dyn Clock>,
    /// How many there were.
    count: u32,
}

/// One request to rehearse.
pub struct Asked<'a> {
    /// What its file is called in messages.
    pub shown: &'a str,
    /// Its name in the inbox, with ending.
    pub name: &'a str,
    /// What it says.
    pub bytes: &'a [u8],
    /// The kind that it has to be of.
    pub kind: &'a str,
    /// Another level than the row's.
    pub level: Option<Level>,
    /// What stands in for the host; without it the host file is obeyed, and its paths and secrets are the real ones.
    pub stand_in: Option<&'a StandIn>,
    /// The number of the attempt.
    pub attempt: u32,
}

/// What came of it.
#[derive(Debug)]
pub struct Rehearsal {
    /// What the record would say; but for what only a run knows: commit, ids of objects, who asked.
    pub record: Record,
    /// Limits that were hit.
    pub limits: Vec<String>,
    /// What the handler printed, as `handler.log` shows it.
    pub output: Vec<u8>,
    /// Files that it left.
    pub artifacts: Vec<Artifact>,
    /// Why it was refused.
    pub faults: Vec<Diagnostic>,
    /// In what a run would be different.
    pub differs: Vec<String>,
    /// Where the files lie that it left; none where it did not run.
    pub files: Option<PathBuf>,
    /// What stood in for the host's `/`.
    pub host: Option<PathBuf>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The repository's faults hold the kind.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Held(Vec<Diagnostic>),
    /// This machine lacks a layer.
    #[error(transparent)]
    Missing(#[from] Unavailable),
    /// This machine lacks something else that a run of the request needs, and would be held for.
    #[error("a run of it would be held here: {0}")]
    Unfit(String),
    /// It cannot be rehearsed so.
    #[error("{0}")]
    Impossible(String),
    /// The work tree cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The work tree cannot be laid out.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The folder to rehearse in.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// It was not carried out.
    #[error(transparent)]
    Run(RunError),
    /// A file or folder to rehearse in.
    #[error("{operation} `{path}`: {source}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl RehearsalError {
    fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }
}

impl<'a> Stage<'a> {
    /// Lays the work tree out in a folder of its own. `uids` are those that kinds have on this host; `control` ends what runs
    /// when the user wants that.
    ///
    /// # Errors
    /// The work tree cannot be read, or there is no room for it.
    pub fn open(
        repo: &Repo,
        contract: &'a Contract,
        host: &'a Host,
        keeper: PathBuf,
        uids: Option<BTreeMap<String, u32>>,
        control: Control,
    ) -> Result<Self, RehearsalError> {
        let place = std::env::temp_dir();
        let base = tempfile::Builder::new().prefix("dispatch-test-").tempdir_in(&place);
        let base = base.map_err(RehearsalError::file("making a folder in", &place))?;
        // Handlers of another user pass through it, as they do beside a state folder.
        let passable = fs::set_permissions(base.path(), Permissions::from_mode(0o711));
        passable.map_err(RehearsalError::file("setting the mode of", base.path()))?;
        let git_dir = base.path().join("git");
        let state = StateDir::locate(&git_dir, Some(&base.path().join("state")))?;
        state.create(&git_dir)?;
        let commit = repo.unwritten_commit()?;
        let snapshot = Snapshots::open(state.root())?.materialise(repo, commit, &contract.config.folders())?;
        Ok(Self {
            contract,
            host,
            base,
            state,
            snapshot: Arc::new(snapshot),
            keeper,
            user: selftest::free_uid(&Known { host, kind_uids: uids }).map(User::unnamed),
            control,
            local: None,
            clock: Arc::new(System::new()),
            count: 0,
        })
    }

    /// Keeps the folder behind the end, and says where it is.
    pub fn keep(self) -> PathBuf {
        let Self { base, local, snapshot, .. } = self;
        drop((local, snapshot));
        base.keep()
    }

    /// Carries a request out. `live` is given what the handler prints, while it does.
    ///
    /// # Errors
    /// [`RehearsalError`] where nothing came of it that a record could say.
    pub fn rehearse(&mut self, asked: &Asked<'_>, live: &(dyn Fn(&[u8]) + Sync)) -> Result<Rehearsal, RehearsalError> {
        let path = format!("{}/{}", self.contract.config.inbox, asked.name);
        // The same in every rehearsal: what a handler makes of it can be expected.
        let derived = RequestId::derived(&nothing().to_string(), &path, &nothing().to_string());
        let (rules, host_file) = self.rules(asked);
        let verdict = admit::admit(&rules, &host_file, asked.shown, asked.bytes, || derived.uuid());
        let stem = asked.name.rsplit_once('.').map_or(asked.name, |(stem, _)| stem).to_owned();
        match verdict {
            Verdict::Ready(admitted) if admitted.request.kind == asked.kind => {
                let id = admitted.request.id.map_or(derived, RequestId::explicit);
                self.carry_out(asked, *admitted, id, &path, stem, live)
            }
            Verdict::Ready(admitted) => Err(RehearsalError::Impossible(format!(
                "`{}` asks for the kind `{}`, not `{}`",
                asked.shown, admitted.request.kind, asked.kind
            ))),
            Verdict::Command(commanded) => Err(RehearsalError::Impossible(format!(
                "`{}` asks for `{}`, which the dispatcher carries out itself: there is no handler",
                asked.shown, commanded.request.kind
            ))),
            Verdict::Held { faults, .. } => Err(RehearsalError::Held(faults)),
            Verdict::Rejected(rejection) => {
                let id = rejection.id.map_or(derived, RequestId::explicit);
                let mut record = self.record(Outcome::Rejected, id, stem);
                record.kind.clone_from(&rejection.kind);
                record.reason = Some(rejection.in_full());
                Ok(Rehearsal {
                    record,
                    limits: Vec::new(),
                    output: Vec::new(),
                    artifacts: Vec::new(),
                    faults: rejection.faults,
                    differs: Vec::new(),
                    files: None,
                    host: None,
                })
            }
        }
    }

    /// What the work tree says and the host allows, changed as the rehearsal wants it.
    fn rules(&self, asked: &Asked<'_>) -> (Rules, HostFile) {
        let mut rules = self.contract.rules.clone();
        let mut host_file = self.host.file.clone();
        let row = self.contract.rules.index.row(asked.kind);
        if let (Some(row), Some(_)) = (row, asked.stand_in) {
            host_file = stand_in::host_file(row, &host_file);
        }
        if let (Some(level), Some(Ok(kind))) = (asked.level, self.contract.rules.kinds.get(asked.kind)) {
            let mut row = kind.row.clone();
            row.sandbox.level = level;
            let changed = Kind {
                row,
                command: kind.command.clone(),
                handler_blob: kind.handler_blob.clone(),
                schema: kind.schema.clone(),
                schema_blob: kind.schema_blob.clone(),
            };
            rules.kinds.insert(asked.kind.to_owned(), Ok(Arc::new(changed)));
            // Whoever types it decides that, for themselves.
            host_file.levels.minimum = Level::Confined;
            host_file.levels.none.push(asked.kind.to_owned());
        }
        (rules, host_file)
    }

    fn carry_out(
        &mut self,
        asked: &Asked<'_>,
        mut admitted: Admitted,
        id: RequestId,
        path: &str,
        stem: String,
        live: &(dyn Fn(&[u8]) + Sync),
    ) -> Result<Rehearsal, RehearsalError> {
        self.count += 1;
        let user = self.user(&admitted)?;
        let differs = self.differs(asked, &admitted);
        let (secrets, host) = match asked.stand_in {
            None => (Self::real(&admitted)?, None),
            Some(stand_in) => {
                admitted.grant.network = Network::None;
                let has_paths = !admitted.grant.read.is_empty() || !admitted.grant.write.is_empty();
                if has_paths && admitted.grant.level != Level::Isolated {
                    return Err(RehearsalError::Impossible(format!(
                        "the kind `{}` uses paths of the host, and nothing can stand in for them at level `{}`: only at `isolated`",
                        asked.kind,
                        admitted.grant.level.as_str()
                    )));
                }
                let root = self.base.path().join(format!("host-{}", self.count));
                stand_in.lay_out(&root, &admitted.grant, user).map_err(RehearsalError::file("laying out", &root))?;
                (stand_in.secrets(&admitted.kind.row), Some(root))
            }
        };
        let config = &self.contract.config;
        let work = Work {
            id,
            attempt: asked.attempt,
            job: Arc::new(job(id, &stem, &admitted)),
            command: admitted.kind.command.clone(),
            request_path: path.to_owned(),
            request: asked.bytes.into(),
            inbox: config.inbox.clone(),
            output: config.output.clone(),
            archive: config.archive.clone(),
            place: stem.clone(),
            snapshot: Arc::clone(&self.snapshot),
            secrets,
            user,
            locks: Vec::new(),
            cancel: Cancel::new().map_err(RehearsalError::file("preparing to end a run in", self.base.path()))?,
            cleanup: false,
            stand_in: host.clone(),
            leave: None,
        };
        let log = self.state.spool(id).join(asked.attempt.to_string()).join(output::FILE);
        let report = self.execute(work, &log, live)?;
        self.require(&report)?;
        let output = fs::read(&log).map_err(RehearsalError::file("reading", &log))?;
        let mut record = self.record(report.outcome, id, stem);
        record.kind = Some(asked.kind.to_owned());
        record.resource = admitted.locks.iter().cloned().collect();
        record.idempotency_key.clone_from(&admitted.request.idempotency_key);
        record = Record { reason: report.attempt.reason.clone(), ..record }.with_attempts(vec![report.attempt]);
        record.run_as = report.run_as;
        record.sandbox = Some(Sandbox { level: admitted.grant.level.as_str().to_owned(), layers: report.layers });
        record.output = Some(report.output);
        record.result = report.result;
        record.handler = report.handler;
        record.skipped = report.skipped;
        record.warnings = report.warnings;
        Ok(Rehearsal {
            record,
            limits: report.limits,
            output,
            artifacts: report.artifacts,
            faults: Vec::new(),
            differs,
            files: Some(log.with_file_name("files")),
            host,
        })
    }

    /// Runs it, and hands on meanwhile what comes into its log.
    fn execute(&mut self, work: Work, log: &Path, live: &(dyn Fn(&[u8]) + Sync)) -> Result<Report, RehearsalError> {
        let (state, keeper, control) = (self.state.clone(), self.keeper.clone(), self.control.clone());
        let clock = Arc::clone(&self.clock);
        let local = self.local.get_or_insert_with(|| Local::new(SLOT, state, keeper, None, clock, control));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| follow(log, &over, live));
            let report = local.execute(work);
            local.clear();
            over.store(true, Ordering::Release);
            report
        })
        .map_err(|error| match error {
            RunError::Unavailable(fault) => RehearsalError::Missing(fault),
            error => RehearsalError::Run(error),
        })
    }

    /// The user that a run would have, or one like it.
    fn user(&self, admitted: &Admitted) -> Result<Option<User>, RehearsalError> {
        let is_root = rustix::process::geteuid().is_root();
        match &admitted.grant.run_as {
            Some(name) if is_root => {
                let (uid, gid) = host::users::ids_of(name).map_err(RehearsalError::Unfit)?;
                Ok(Some(User { uid, gid }))
            }
            Some(name) => {
                Err(RehearsalError::Unfit(format!("`run_as` is `{name}`, and only root can run as somebody else")))
            }
            None => Ok(self.user),
        }
    }

    /// The real secrets. What of the host file is not there here keeps a run from starting.
    fn real(admitted: &Admitted) -> Result<Vec<(String, Vec<u8>)>, RehearsalError> {
        let grant = &admitted.grant;
        if let Some(path) = grant.read.iter().chain(&grant.write).find(|path| !path.exists()) {
            let words = format!("`{}` is granted and does not exist on this machine", path.display());
            return Err(RehearsalError::Unfit(words));
        }
        let secrets = grant.secrets.iter().map(|secret| {
            let secret = host::resolve_secret(secret).map_err(|error| RehearsalError::Unfit(error.in_full()))?;
            Ok((secret.name.clone(), secret.value().to_vec()))
        });
        secrets.collect()
    }

    /// Layers that the host file makes a must.
    fn require(&self, report: &Report) -> Result<(), RehearsalError> {
        let have: BTreeSet<&String> = report.layers.iter().collect();
        match self.host.file.levels.require.iter().find(|layer| !have.contains(layer)) {
            Some(layer) => {
                let words = format!("the host file requires the layer {layer}, and it is not active here");
                Err(RehearsalError::Unfit(words))
            }
            None => Ok(()),
        }
    }

    /// In what a run would be different, as far as it matters to this kind.
    fn differs(&self, asked: &Asked<'_>, admitted: &Admitted) -> Vec<String> {
        let (row, grant) = (&admitted.kind.row, &admitted.grant);
        let mut differs = vec!["it ran the work tree as it is; a run takes what is merged".to_owned()];
        if let Some(level) = asked.level {
            let asks = self.contract.rules.index.row(asked.kind).map_or(level, |row| row.sandbox.level);
            if asks != level {
                differs.push(format!("level {} and not {}", level.as_str(), asks.as_str()));
            }
        }
        if asked.stand_in.is_some() {
            let paths = grant.read.iter().chain(&grant.write).map(|path| path.display().to_string());
            let paths: Vec<String> = paths.collect();
            if !paths.is_empty() {
                differs.push(format!("stand-ins for {}", paths.join(", ")));
            }
            if !row.secrets.is_empty() {
                differs.push(format!("made-up values for {}", row.secrets.join(", ")));
            }
            if row.sandbox.network != Network::None {
                differs.push("no network".to_owned());
            }
        } else if !grant.write.is_empty() {
            differs.push("it held no lock, and wrote to the host's own paths".to_owned());
        }
        if !row.then.is_empty() {
            differs.push(format!("after a success a run does {} as well", row.then.join(", ")));
        }
        if let Some(retry) = row.retry.as_ref().filter(|_| row.delivery == Delivery::AtLeastOnce) {
            let codes: Vec<String> = retry.on.iter().map(ToString::to_string).collect();
            let pause = format_duration(retry.backoff);
            differs.push(format!(
                "one attempt; a run makes up to {} where it exits {}, the second after {pause}",
                retry.attempts,
                codes.join(" or ")
            ));
        }
        if row.workspace == Workspace::Persistent {
            differs.push("a new checkout, and not the kept one".to_owned());
        }
        if row.sandbox.cache > 0 {
            differs.push("an empty cache, and not the kept one".to_owned());
        }
        let request = &admitted.request;
        if request.not_before.is_some() || request.expires.is_some() {
            differs.push("`not_before` and `expires` were not looked at".to_owned());
        }
        differs
    }

    fn record(&self, outcome: Outcome, id: RequestId, name: String) -> Record {
        let mut record = Record::new(outcome, id, name);
        record.host.clone_from(&self.host.node);
        record.host_file_sha256.clone_from(&self.host.sha256);
        record
    }
}

/// Hands on what comes into a file until it is over, and then the rest.
fn follow(log: &Path, over: &AtomicBool, live: &(dyn Fn(&[u8]) + Sync)) {
    let mut open: Option<File> = None;
    loop {
        let last = over.load(Ordering::Acquire);
        if open.is_none() {
            open = File::open(log).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = &mut open
            && file.read_to_end(&mut bytes).is_ok()
            && !bytes.is_empty()
        {
            live(&bytes);
        }
        if last {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn job(id: RequestId, stem: &str, admitted: &Admitted) -> Job {
    let nothing = nothing().to_string();
    Job {
        id: id.uuid(),
        kind: admitted.request.kind.clone(),
        name: stem.to_owned(),
        folder: None,
        request: admitted.request.clone(),
        row: Row::clone(&admitted.kind.row),
        grant: admitted.grant.clone(),
        locks: admitted.locks.clone(),
        objects: Objects {
            commit: nothing.clone(),
            request_blob: nothing.clone(),
            handler_blob: None,
            schema_blob: None,
            index_blob: nothing.clone(),
        },
        introduced: Introduced {
            commit: nothing,
            position: 0,
            time: Timestamp::UNIX_EPOCH,
            author: String::new(),
            committer: String::new(),
        },
    }
}
