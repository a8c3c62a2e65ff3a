//! Where things stand: what is held and why, the file that the reading faces read, metrics, the user's work tree,
//! and what is cleared away when there is time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::start::place_of;
use super::{Circuit, DispatchError, Dispatcher, Round, Summary};
use crate::clock::utc_millis;
use crate::config::RepoConfig;
use crate::id::RequestId;
use crate::inbox::{self, Entry};
use crate::job::Introduced;
use crate::metrics::{self, Gauges};
use crate::pause::{Pause, Scope};
use crate::publish::{self, locked};
use crate::repo::{MODE_EXECUTABLE, MODE_FILE, Oid, Origin, TreeEntry};
use crate::spool;
use crate::yaml::Limits;

/// Published records stay this long: a server's power cut can undo a push that it acknowledged.
const SPOOL_DAYS: i64 = 7;
/// Of those that wait for their turn so many are told.
const QUEUED_SHOWN_MAX: usize = 1000;

/// A request that stays in the inbox, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its id.
    pub id: RequestId,
    /// Its path.
    pub path: String,
    /// Whose move it is.
    pub by: HeldBy,
    /// Why, in words.
    pub words: String,
}

/// Whose move it is before a held request can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// A fault of the repository: the next commit can mend it.
    Repository,
    /// A layer or secret that this machine lacks.
    Layer,
    /// Its own `not_before`.
    Time(Timestamp),
    /// An earlier request with the same idempotency key.
    Key,
    /// A lock of another process.
    Lock,
    /// No room on the disk.
    Disk,
    /// Uncommitted changes in the work tree.
    WorkTree,
    /// Another dispatcher records in this repository.
    Foreign,
    /// Too many records wait to be published.
    Backlog,
    /// Another node has claimed it, or has its resource.
    Claim,
    /// Its own `target`: another node is meant.
    Target,
    /// The state folder is older than main, or than a claim of this node.
    Restored,
    /// A person has paused it.
    Pause,
    /// Too many were started lately, by the host file's `rate`.
    Rate,
    /// It asks for the end of another request, and waits for it.
    Ending,
}

impl HeldBy {
    /// The stable word for it, as JSON has it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Layer => "layer",
            Self::Time(_) => "time",
            Self::Key => "key",
            Self::Lock => "lock",
            Self::Disk => "disk",
            Self::WorkTree => "work_tree",
            Self::Foreign => "foreign",
            Self::Backlog => "backlog",
            Self::Claim => "claim",
            Self::Target => "target",
            Self::Restored => "restored",
            Self::Pause => "pause",
            Self::Rate => "rate",
            Self::Ending => "ending",
        }
    }

    /// Whether it is in other hands, and nothing here is amiss.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Claim | Self::Target)
    }
}

/// What the last pass saw, as `status.json` in the state folder says it to the reading faces.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Version of this file.
    pub v: u32,
    /// When it was written.
    pub at: String,
    /// The process that wrote it.
    pub pid: u32,
    /// The name of the node.
    #[serde(default)]
    pub node: String,
    /// Tip of main.
    pub tip: Option<String>,
    /// What runs now.
    pub running: Vec<RequestId>,
    /// What waits its turn: id, and the request and resource it waits for.
    pub queued: Vec<(RequestId, Option<(RequestId, String)>)>,
    /// What is held.
    pub held: Vec<Held>,
    /// Records that are not on main yet.
    pub unpublished: usize,
    /// Why main could not be read or written, in words.
    pub obstacle: Option<String>,
    /// The remote declines whatever we push: nothing is started until it takes something.
    #[serde(default)]
    pub circuit: Option<Circuit>,
    /// Why nothing new is started, where that is for records that cannot be published or have to be seen published first.
    #[serde(default)]
    pub waiting: Option<String>,
    /// What a person has to look at before `dispatch adopt`.
    #[serde(default)]
    pub adopt: Option<String>,
    /// Faults of the repository.
    pub faults: Vec<String>,
    /// Nothing is started.
    pub paused: bool,
    /// What people have paused, and what is in force.
    #[serde(default)]
    pub pauses: Vec<Pause>,
    /// The dispatcher was told to stop, and waits for what runs.
    #[serde(default)]
    pub stopping: bool,
    /// Pause between looks, in milliseconds, where it looks again by itself.
    #[serde(default)]
    pub interval_ms: Option<u64>,
    /// When main was last read.
    #[serde(default)]
    pub fetched_at: Option<String>,
    /// When a record last reached main.
    #[serde(default)]
    pub published_at: Option<String>,
    /// How long what runs now may take from its start on, its grace with it, in milliseconds.
    #[serde(default)]
    pub may_take_ms: BTreeMap<RequestId, u64>,
}

/// Where a request waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLine {
    /// The request that keeps it from starting, with the resource that both want.
    pub behind: Option<(RequestId, String)>,
    /// How many come before it: at that resource, else in the whole queue.
    pub before: usize,
}

impl Standing {
    /// Where a request waits its turn; `None` where it does not, or nobody has taken it up yet.
    pub fn place_of(&self, id: RequestId) -> Option<InLine> {
        let at = self.queued.iter().position(|(other, _)| *other == id)?;
        let behind = self.queued[at].1.clone();
        let same = self.queued[..at].iter().filter(|(_, other)| *other == behind).count();
        // At a resource the one that has it stands before all of them.
        Some(InLine { before: same + usize::from(behind.is_some()), behind })
    }

    /// What the last pass on this state folder saw.
    pub fn read(state: &crate::statedir::StateDir) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(state.seen()).ok()?).ok()
    }

    /// A person has accepted what the last pass met: it is not asked for any more. What cannot be written now says the next
    /// pass.
    pub fn adopted(state: &crate::statedir::StateDir) {
        let Some(mut standing) = Self::read(state) else { return };
        let Some(words) = standing.adopt.take() else { return };
        standing.obstacle = standing.obstacle.filter(|obstacle| *obstacle != words);
        let _ = standing.write(state);
    }

    fn write(&self, state: &crate::statedir::StateDir) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self).expect("plain data");
        let mut file = tempfile::NamedTempFile::new_in(state.root())?;
        std::io::Write::write_all(&mut file, &text)?;
        file.persist(state.seen()).map(drop).map_err(|error| error.error)
    }
}

impl Dispatcher {
    /// Everything that can be done is done: say so to whoever looks.
    pub(super) fn settle_pass(&mut self) {
        if let Err(error) = self.give_back_unstarted() {
            tracing::warn!("giving claims back: {error}");
        }
        self.tell_claims();
        self.summary.held = self.held.values().cloned().collect();
        self.summary.unpublished = self.waiting_for_main();
        self.summary.paused = self.is_paused();
        self.summary.pauses = self.pauses();
        self.tell();
        self.beat_at = self.clock.monotonic().saturating_add(self.interval.unwrap_or_default());
        if self.interval.is_some() {
            self.summary.ended.clear();
        }
    }

    /// Pauses that are in force.
    pub(super) fn pauses(&self) -> Vec<Pause> {
        self.steering.pauses(self.clock.now()).cloned().collect()
    }

    /// Records that are not on main yet.
    pub(super) fn waiting_for_main(&self) -> usize {
        if self.recovered {
            return self.unpublished();
        }
        // Main could not be read, so nothing was taken up: the journal still knows what waits.
        let rows = locked(&self.journal).open_requests().unwrap_or_default();
        rows.iter().filter(|row| row.state.outcome().is_some()).count()
    }

    /// What is waited for before anything new is started is said while it is so, and not only when the pass is over: a first
    /// request may run for long, and people ask about those behind it.
    pub(super) fn tell_what_is_waited_for(&mut self) {
        let waiting = self.waiting().filter(|_| !self.queue.is_empty());
        if waiting != self.told_waiting {
            self.told_waiting = waiting;
            self.tell();
        }
    }

    /// Replaces `status.json` and the metrics; neither is synced, both are made anew at every pass.
    pub(super) fn tell(&self) {
        // Where main was never read, what the process before saw of it is still the best there is to say.
        let before = Standing::read(&self.state).filter(|_| self.tip.is_none()).unwrap_or_default();
        let standing = Standing {
            v: 1,
            at: utc_millis(self.clock.now()),
            pid: std::process::id(),
            node: self.host.node.clone(),
            tip: self.tip.map(|tip| tip.to_string()).or(before.tip),
            running: self.queue.running().collect(),
            queued: self.queue.waiting(QUEUED_SHOWN_MAX).into_iter().chain(before.queued).collect(),
            held: self.held.values().cloned().chain(before.held).collect(),
            unpublished: self.waiting_for_main(),
            obstacle: self.obstacle().map(crate::publish::Obstacle::words),
            circuit: self.delivery.circuit().cloned(),
            waiting: self.waiting(),
            adopt: self.to_adopt().or(before.adopt),
            faults: self.summary.faults.iter().map(ToString::to_string).chain(before.faults).collect(),
            paused: self.is_paused() || self.pauses().iter().any(|pause| pause.scope == Scope::All),
            pauses: self.pauses(),
            stopping: self.stopping.is_some(),
            interval_ms: self.interval.map(millis),
            fetched_at: told_at(self.last_fetch),
            published_at: told_at(self.last_push),
            may_take_ms: self.may_take(),
        };
        if let Err(error) = standing.write(&self.state) {
            tracing::warn!("writing `{}`: {error}", self.state.seen().display());
        }
        self.say_to_others();
        let gauges = self.gauges();
        let told = locked(&self.journal).counters().map(|counts| metrics::write(self.state.root(), &counts, &gauges));
        match told {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}"),
            Err(error) => tracing::warn!("{error}"),
        }
    }

    /// How long what runs now may take: the attempt, or the action after it.
    fn may_take(&self) -> BTreeMap<RequestId, u64> {
        let running = self.queue.running();
        let spans = running.filter_map(|id| {
            let ticket = self.tickets.get(&id)?;
            let limits = &ticket.started.as_ref()?.job.grant.limits;
            let action = ticket.acting.as_ref().and_then(|acting| ticket.admitted.grant.actions.get(acting.done.len()));
            let timeout = action.map_or(limits.timeout, |action| action.timeout);
            Some((id, millis(timeout.saturating_add(limits.grace))))
        });
        spans.collect()
    }

    fn gauges(&self) -> Gauges {
        let now = self.clock.now();
        let is_elsewhere = |id: &RequestId| self.held.get(id).is_some_and(|held| held.by.is_elsewhere());
        let here = self.tickets.iter().filter(|(id, _)| !is_elsewhere(id));
        let oldest = here.map(|(_, ticket)| ticket.introduced.time).min();
        let all = self.queue.len() + self.held.keys().filter(|id| !self.tickets.contains_key(id)).count();
        let held_by = |by: &HeldBy| self.held.values().filter(|held| held.by == *by).count();
        let elsewhere = self.held.keys().filter(|id| is_elsewhere(id)).count();
        Gauges {
            queue_depth: all.saturating_sub(elsewhere),
            elsewhere,
            oldest_pending: oldest
                .and_then(|time| Duration::try_from(now.duration_since(time)).ok())
                .unwrap_or_default(),
            heartbeat: now.as_second(),
            last_fetch_success: self.last_fetch,
            last_push_success: self.last_push,
            unpublished: self.waiting_for_main(),
            circuit_open: self.delivery.circuit().is_some(),
            pauses: self.pauses().len(),
            held_by_pause: held_by(&HeldBy::Pause),
            held_by_rate: held_by(&HeldBy::Rate),
        }
    }

    /// Packs our own copy of the repository where it has become slow; nothing else uses it now.
    pub(super) fn tidy(&mut self) {
        if self.running > 0 || self.publishing > 0 || self.repo.patience().is_over() {
            return;
        }
        match self.repo.tidy() {
            Ok(true) => tracing::debug!("packed our own copy of the repository"),
            Ok(false) => {}
            Err(error) => tracing::warn!("packing our own copy of the repository: {error}"),
        }
    }

    pub(super) fn close(mut self) -> Summary {
        self.settle_pass();
        if self.interval.is_none() {
            self.prune_at_times();
        }
        self.clear_old();
        self.tidy();
        std::mem::take(&mut self.summary)
    }

    /// Removes what nobody asks for any more: published spools and failed runs' scratch folders after a week.
    pub(super) fn clear_old(&self) {
        let now = self.clock.now();
        let old = |time: &str| {
            time.parse::<Timestamp>().is_ok_and(|time| now.duration_since(time).as_secs() > SPOOL_DAYS * 24 * 3600)
        };
        let journal = locked(&self.journal);
        let gone =
            |id: RequestId| matches!(journal.get(id), Ok(Some(row)) if row.state.is_settled() && old(&row.changed_at));
        let mut cleared = spool::prune(&self.state.spools(), gone);
        let open = Some(self.state.open().join("run")).filter(|runs| runs.is_dir());
        for runs in open.into_iter().chain([self.state.runs()]) {
            cleared = cleared.and(spool::prune(&runs, gone));
        }
        if let Err(error) = cleared {
            tracing::warn!("clearing old files: {error}");
        }
    }

    /// Removes from the work tree what was taken from there and is archived now.
    pub(super) fn remove_loose(&self, round: &Round) -> Result<(), DispatchError> {
        for parcel in round.published.iter().filter(|parcel| parcel.loose) {
            if !self.repo.remove_loose(&parcel.path, parcel.blob.parse()?)? {
                tracing::warn!("`{}` was changed after it was taken and stays", String::from_utf8_lossy(&parcel.path));
            }
        }
        Ok(())
    }

    /// Finishes what a crash between moving the branch and bringing the work tree up has left.
    pub(super) fn catch_up(&self, tip: Oid) {
        if self.publishing == 0 && self.repo.is_behind() {
            publish::follow(&self.repo, tip);
        }
    }

    /// A path that this request would touch and that is changed in the work tree; only without a remote, where the work
    /// tree is the origin's own.
    pub(super) fn dirty_path(&self, id: RequestId, loose: bool) -> Result<Option<String>, DispatchError> {
        if loose || !matches!(self.repo.origin(), Origin::Local) {
            return Ok(None);
        }
        let (Some(ticket), Some(contract)) = (self.tickets.get(&id), &self.contract) else { return Ok(None) };
        let (entry, config) = (&ticket.entry, &contract.config);
        let place = place_of(config.layout, id, entry, &ticket.introduced);
        let archived = format!("{}/{place}{}", config.archive, entry.extension);
        let record = format!("{}/{place}", config.output);
        Ok(self.repo.dirty_paths(&[entry.shown.as_str(), &archived, &record])?.into_iter().next())
    }

    /// Requests that lie uncommitted in the work tree, where the contract says that they count.
    pub(super) fn loose_entries(
        &self,
        tip: Oid,
        config: &RepoConfig,
    ) -> Result<Vec<(Entry, Introduced)>, DispatchError> {
        let mut found = Vec::new();
        for loose in self.repo.untracked_inbox(Some(tip), &config.inbox, Limits::REQUEST.bytes_max as u64)? {
            let shown = String::from_utf8_lossy(&loose.path).into_owned();
            let (oid, _) = match loose.content {
                Ok(content) => content,
                Err(why) => {
                    tracing::warn!("`{shown}` is not taken: {why}");
                    continue;
                }
            };
            let below = loose.path[config.inbox.len()..].strip_prefix(b"/").unwrap_or(&loose.path);
            let mut steps = below.rsplitn(2, |byte| *byte == b'/');
            let name = steps.next().unwrap_or_default().to_vec();
            let folder = steps.next();
            let deep = folder.is_some_and(|folder| folder.contains(&b'/'));
            if deep || name.starts_with(b".") || !(name.ends_with(b".yml") || name.ends_with(b".yaml")) {
                continue;
            }
            if self.repo.exists(tip, &loose.path)? {
                tracing::warn!("`{shown}` differs from what is on main and is not taken: commit it");
                continue;
            }
            let mode = if loose.executable { MODE_EXECUTABLE } else { MODE_FILE };
            let entry = inbox::entry(&config.inbox, folder, &TreeEntry { name, mode, oid });
            let changed = self.repo.checkout().work_tree.as_ref().map(|top| top.join(&shown));
            let time = changed.and_then(|path| path.metadata().and_then(|meta| meta.modified()).ok());
            let time = time.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
            let who = format!("{} <{}>", self.settings.identity.name, self.settings.identity.email);
            let introduced = Introduced {
                // The same file saved again is another request, as the same file committed again would be.
                commit: format!("worktree@{time}"),
                position: u64::MAX,
                time,
                author: who.clone(),
                committer: who,
            };
            found.push((entry, introduced));
        }
        Ok(found)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A moment in seconds since 1970 as it is told; 0 is never.
fn told_at(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().filter(|_| seconds > 0).map(utc_millis)
}
