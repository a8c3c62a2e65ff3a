//! How a dispatcher comes into being: what it is told, what it takes hold of, and what may keep it from starting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::deliver::Delivery;
use super::{Dispatcher, Summary};
use crate::clock::Clock;
use crate::contract::Compiled;
use crate::host::{self, Host, HostError};
use crate::host_file::Claims;
use crate::journal::{Journal, JournalError};
use crate::lock::{Instance, LockError};
use crate::notify::Notifier;
use crate::patience::Patience;
use crate::publish::{META_PUSHED_AT, PublishError, Publisher, locked};
use crate::queue::Queue;
use crate::repo::{Identity, Origin, Repo, RepoError, SnapshotError, Snapshots};
use crate::request;
use crate::room::Wait;
use crate::run::sandbox::{self, Control};
use crate::run::{Actions, Local, local_cgroup_prefix};
use crate::spool::SpoolError;
use crate::statedir::{StateDir, StateDirError};

/// Journal key: this state folder's own name.
pub const META_STATE_ID: &str = "state_id";

/// What a dispatcher is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many requests run at once.
    pub jobs: u32,
    /// Pushes in a row that may fail before a pass gives up.
    pub push_tries: u32,
    /// The program that is executed as keeper.
    pub keeper: PathBuf,
    /// Author and committer of record commits.
    pub identity: Identity,
    /// The paused file of the whole machine.
    pub machine_paused: PathBuf,
    /// The service manager.
    pub notifier: Arc<Notifier>,
}

/// Why a dispatcher cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// Somebody else has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The host file or a secret.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Publishing met a fault of this host.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A tree could not be laid out for a handler.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A fault of this program. What ran was ended, and what came out is kept.
    #[error("{who} broke down: {words}")]
    Broken {
        /// Which thread.
        who: String,
        /// Its last words.
        words: String,
    },
    /// This host cannot claim requests on the remote.
    #[error("`claims: remote`: {0}")]
    Claims(String),
    /// The system refused something small.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

impl DispatchError {
    /// An object of the repository could not be read or written.
    pub(super) fn is_of_objects(&self) -> bool {
        matches!(
            self,
            Self::Repo(RepoError::Object { .. }) | Self::Publish(PublishError::Repo(RepoError::Object { .. }))
        )
    }
}

impl Dispatcher {
    /// Opens what lies in a state folder that `instance` holds.
    ///
    /// # Errors
    /// [`DispatchError`] where something cannot be opened.
    pub fn open(
        repo: Repo,
        state: StateDir,
        instance: Instance,
        host: Host,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, DispatchError> {
        if rustix::process::geteuid().is_root() {
            host::users::of_slots(host.file.uids, settings.jobs)?;
        }
        if host.file.claims == Claims::Remote {
            if matches!(repo.origin(), Origin::Local) {
                let words = "this repository has no remote, where claims would be: `git remote add origin URL`, or `claims: local`";
                return Err(DispatchError::Claims(words.to_owned()));
            }
            if let Some(broken) = request::broken_node(&host.node) {
                let words = format!("`{}` {broken}; write `node: NAME` in {}", host.node, host.file.file);
                return Err(DispatchError::Claims(words));
            }
        }
        // Nobody else works here now, so what looks like a leftover is one.
        sandbox::sweep(local_cgroup_prefix());
        crate::run::sweep_secrets();
        crate::run::sweep_stages(&state);
        let mut journal = Journal::open(state.root())?;
        let state_id = own_name(&mut journal)?;
        let number = |key| -> Result<i64, JournalError> {
            Ok(journal.meta(key)?.and_then(|text| text.parse().ok()).unwrap_or(0))
        };
        let last_push = number(META_PUSHED_AT)?;
        let last_fetch = number(super::intake::META_FETCHED_AT)?;
        let delivery = Delivery::resume(&journal, &repo, state_id)?;
        let (doubts, doubt_loose) = (super::doubt::marks(&journal)?, super::doubt::loose_mark(&journal)?);
        let steering = super::steering::Steering::taken_up(&journal, &host, &*clock)?;
        let snapshots = Snapshots::open(state.root())?;
        let control = Control::new().map_err(|source| DispatchError::System { what: "making a control", source })?;
        let room = Wait::of(super::ROOM_PATIENCE, repo.patience().clone());
        Ok(Self {
            repo,
            state,
            instance,
            journal: Arc::new(Mutex::new(journal)),
            host,
            clock,
            settings,
            state_id,
            snapshots,
            snapshot: None,
            compiled: Compiled::default(),
            contract: None,
            tip: None,
            halt: None,
            outvoted: None,
            queue: Queue::default(),
            claims: super::claims::Claims::default(),
            steering,
            tickets: HashMap::new(),
            held: BTreeMap::new(),
            held_before: BTreeMap::new(),
            faults_before: Vec::new(),
            lacked_before: None,
            ended: Vec::new(),
            promised_bytes: 0,
            spooled_bytes: HashMap::new(),
            places: BTreeSet::new(),
            batch_open: None,
            publishing: 0,
            following: super::deliver::Following::default(),
            delivery,
            push_patience: Patience::default(),
            told_waiting: None,
            alarm: None,
            layers: HashMap::new(),
            told_of_rlimits: false,
            recovered: false,
            doubts,
            doubt_loose,
            stalled: BTreeSet::new(),
            look_again: false,
            interval: None,
            look_at: None,
            looked_at: None,
            fetch_failures: 0,
            ready: false,
            reloading: false,
            beat_at: Duration::ZERO,
            moved: false,
            cleared_at: None,
            indexing: super::indexing::Indexing::default(),
            branch_watch: None,
            locked_out: None,
            running: 0,
            recording: super::recording::Recording::default(),
            actions_due: Vec::new(),
            stopping: None,
            stops: 0,
            cut_off: false,
            publish_until: None,
            broken: None,
            control,
            room,
            messages: channel(),
            last_fetch,
            last_push,
            telling: super::herald::Telling::default(),
            summary: Summary::default(),
        })
    }

    pub(super) fn publisher(&self) -> Result<Publisher, DispatchError> {
        Ok(Publisher {
            repo: self.repo.reopen(self.push_patience.clone())?,
            state: self.state.clone(),
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.clock),
            identity: self.settings.identity.clone(),
            state_id: self.state_id,
        })
    }

    /// The user of a worker's slot. There are as many as workers, or it would not have started.
    pub(super) fn uid_of_slot(&self, index: u32) -> Option<u32> {
        self.host.file.uids.of_slot(index).filter(|_| rustix::process::geteuid().is_root())
    }

    pub(super) fn executor(&self, index: u32) -> (Local, Actions) {
        let uid = self.uid_of_slot(index);
        let (state, keeper) = (self.state.clone(), self.settings.keeper.clone());
        let clock = || Arc::clone(&self.clock);
        let actions = Actions::new(index, state.clone(), keeper.clone(), clock(), self.control.clone());
        let local = Local::new(index, state, keeper, uid, clock(), self.control.clone());
        (local.waiting(self.room.silent()), actions.waiting(self.room.silent()))
    }

    /// The user that a kind with something of its own on the host always runs as, chosen once and kept: its files
    /// must not change hands from run to run. The inner error says why there is none and what to write.
    pub(super) fn uid_of_kind(&self, kind: &str) -> Result<Result<u32, String>, DispatchError> {
        let mut journal = locked(&self.journal);
        let mut known = kind_uids(&journal)?;
        let uid = match self.host.file.uids.of_kind(kind, self.settings.jobs, &known) {
            Ok(uid) => uid,
            Err(error) => return Ok(Err(format!("sandbox_unavailable: user: {error}"))),
        };
        if known.contains_key(kind) {
            return Ok(Ok(uid));
        }
        if let Some(whose) = host::users::whose(uid) {
            let (uids, file) = (self.host.file.uids, &self.host.file.file);
            let words = format!("sandbox_unavailable: user: `uids: {uids}`: {whose}; name a free range in {file}");
            return Ok(Err(words));
        }
        known.insert(kind.to_owned(), uid);
        journal.set_meta(META_KIND_UIDS, &serde_json::to_string(&known).expect("plain data"))?;
        Ok(Ok(uid))
    }
}

/// The state folder's own name, made up at its first run.
fn own_name(journal: &mut Journal) -> Result<Uuid, JournalError> {
    let known = journal.meta(META_STATE_ID)?.and_then(|text| Uuid::parse_str(&text).ok());
    let state_id = known.unwrap_or_else(Uuid::new_v4);
    if known.is_none() {
        journal.set_meta(META_STATE_ID, &state_id.to_string())?;
    }
    Ok(state_id)
}

/// The uids that kinds which keep something on this host have been given so far.
///
/// # Errors
/// The journal cannot be read.
pub fn kind_uids(journal: &Journal) -> Result<BTreeMap<String, u32>, JournalError> {
    Ok(journal.meta(META_KIND_UIDS)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

const META_KIND_UIDS: &str = "kind_uids";
