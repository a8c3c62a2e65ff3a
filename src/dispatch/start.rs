//! Starting: which queued requests may start now, and everything that has to be true before START is written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::claims::keys_of;
use super::intake::spec_digest;
use super::{Crew, DispatchError, Dispatcher, Errand, Halt, HeldBy, Hold, Layers, Started};
use crate::admit::Admitted;
use crate::contract::Contract;
use crate::diagnostic::Diagnostic;
use crate::durable;
use crate::event::Event;
use crate::host;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::job::{Delivery, Grant, Introduced, Job, Level, Network, Objects};
use crate::journal::Entry as Step;
use crate::lock;
use crate::outcome::Outcome;
use crate::planted::{self, Bug};
use crate::publish::{is_free, locked};
use crate::queue::Standing as Place;
use crate::repo::{Snapshot, SnapshotError};
use crate::room;
use crate::run::action::OUTPUT_BYTES_MAX;
use crate::run::sandbox::{Cancel, Slot, TCP_LAYER, User};
use crate::run::{Leave, Local, Work};
use crate::state::State;

/// Room that must be left beside what a run may write.
const SPARE_BYTES: u64 = 16 << 20;
/// Files that a run may make, about.
const FILES_MIN: u64 = 200;
/// How long a pass waits for locks of other processes.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

impl Dispatcher {
    /// Starts what may start, as far as workers are free. All STARTs of a round are one durable write.
    pub(super) fn start_ready(&mut self, crew: &mut Crew) -> Result<(), DispatchError> {
        self.hold_back();
        if !self.may_start_now() {
            return Ok(());
        }
        let most = self.openings().unwrap_or(0).min(crew.free());
        self.claim_due(most)?;
        if !self.may_start_now() {
            return Ok(());
        }
        let mut steps = Vec::new();
        let mut work: Vec<Work> = Vec::new();
        // Not given where anything below fails: then nothing starts.
        let (mut started, mut leaves) = (Vec::new(), Vec::new());
        loop {
            let before = self.queue.len();
            for id in self.queue.startable(self.clock.monotonic(), most) {
                self.promised_bytes = work.iter().map(|next| needed_by(&next.job.grant)).sum();
                if let Some((step, next)) = self.prepare(id, crew.worker(work.len()))? {
                    steps.push(step);
                    work.push(next);
                }
            }
            // What ended without a start, expired or answered by an earlier one, makes room for others at once.
            if !work.is_empty() || self.queue.len() == before {
                break;
            }
        }
        let late = planted::is(Bug::LateStart);
        for mut next in work {
            self.queue.set(next.id, Place::Running);
            self.running += 1;
            started.push(next.id);
            // Folders, pipes and the like are made ready while START gets to the disk.
            let (give, leave) = Leave::new();
            next.leave = Some(leave);
            leaves.push(give);
            crew.give(Errand::Attempt(Box::new(next)));
        }
        if !late {
            self.append(&steps, &[])?;
        }
        for (id, give) in started.into_iter().zip(leaves) {
            tracing::info!("{} started ({id})", self.name_of(id));
            // A worker that broke has said so.
            let _ = give.send(());
        }
        self.give_back_held()?;
        if late && !steps.is_empty() {
            // Long enough for whoever wants to come in between.
            std::thread::sleep(Duration::from_mins(1));
            self.append(&steps, &[])?;
        }
        Ok(())
    }

    /// Nothing that runs or waits for its time counts; only what could start without anybody doing anything.
    pub(super) fn may_start_something(&self) -> bool {
        let awaited = |id: &RequestId| !self.stalled.contains(id);
        self.may_start_now()
            && !self.only_locked_out()
            && (self.has_endings()
                || self.queue.engaged().any(|(id, what)| matches!(what, Place::Retrying { .. }) && awaited(&id))
                || self.queue.startable(self.clock.monotonic(), self.stalled.len() + 1).iter().any(awaited))
    }

    pub(super) fn may_start_now(&self) -> bool {
        self.stopping.is_none()
            && self.halt != Some(Halt::Rewritten)
            && !self.is_paused()
            && self.may_claim()
            && self.openings().is_ok()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state.paused().exists() || self.settings.machine_paused.exists()
    }

    /// Everything that can start has waited for locks of other processes for a while. What ran under a dispatcher that
    /// was killed ends within moments and gives its locks back; longer than that is somebody else's business.
    pub(super) fn only_locked_out(&self) -> bool {
        self.locked_out.is_some_and(|since| self.clock.monotonic().saturating_sub(since) > LOCK_PATIENCE)
    }

    /// Everything that one start needs; `worker` is who will carry it out.
    fn prepare(&mut self, id: RequestId, worker: usize) -> Result<Option<(Step, Work)>, DispatchError> {
        let Some(ticket) = self.tickets.get(&id) else { return Ok(None) };
        // Nothing goes on that was not read back as ours.
        if self.claims_remotely() && !self.is_claimed(id, &keys_of(&ticket.admitted)) {
            return Ok(None);
        }
        if self.settle_unstarted(id)? {
            return Ok(None);
        }
        let Some(ticket) = self.tickets.get(&id) else { return Ok(None) };
        if let Some((by, words)) = self.doubts_start_of(id)
            && ticket.admitted.kind.row.delivery == Delivery::AtMostOnce
        {
            let entry = ticket.entry.clone();
            self.hold_queued(id, &entry, by, words.to_owned());
            return Ok(None);
        }
        if self.is_held_back(id) {
            return Ok(None);
        }
        let Some(prepared) = self.prepare_parts(id)? else { return Ok(None) };
        let (run_as, layers) = self.contained_by(id, &prepared, worker);
        let cancel = match Cancel::new() {
            Ok(cancel) => cancel,
            Err(error) => {
                let entry = self.tickets[&id].entry.clone();
                self.hold_queued(id, &entry, HeldBy::Layer, format!("no descriptor is left: {error}"));
                return Ok(None);
            }
        };
        let up_ms = u64::try_from(self.clock.since_boot().as_millis()).ok();
        let ticket = self.tickets.get_mut(&id).expect("looked up above");
        if !ticket.admitted.grant.actions.is_empty() {
            let locks = prepared.locks.iter().map(lock::ResourceLock::share).collect::<Result<_, _>>()?;
            ticket.hold = Hold { locks: Some(locks), secrets: Some(prepared.secrets.clone()) };
        }
        let attempt = u32::try_from(ticket.attempts.len()).unwrap_or(u32::MAX) + 1;
        let started = ticket.started.as_ref().expect("set by prepare_parts");
        let event = Event::Start {
            attempt,
            nonce: Uuid::new_v4().to_string(),
            commit: started.contract.commit.to_string(),
            place: started.place.clone(),
            boot: boot_id(),
            up_ms,
            kind: Some(started.job.kind.clone()),
            publish: started.job.row.publish,
            run_as,
            layers,
        };
        let config = &started.contract.config;
        let work = Work {
            id,
            attempt,
            job: Arc::clone(&started.job),
            command: ticket.admitted.kind.command.clone(),
            request_path: ticket.entry.shown.clone(),
            request: Arc::clone(&ticket.request),
            inbox: config.inbox.clone(),
            output: config.output.clone(),
            archive: config.archive.clone(),
            place: started.place.clone(),
            snapshot: prepared.snapshot,
            secrets: prepared.secrets,
            user: prepared.user,
            locks: prepared.locks,
            cancel: cancel.clone(),
            cleanup: config.cleanup,
            leave: None,
            stand_in: None,
        };
        ticket.cancel = Some(cancel);
        if attempt == 1 {
            let kind = work.job.kind.clone();
            self.count_start(&kind);
        }
        self.held.remove(&id);
        self.stalled.remove(&id);
        Ok(Some((Self::step(id, event), work)))
    }

    /// The user that a start will have and the layers that were found for it: all that is known should nobody see its end.
    fn contained_by(&self, id: RequestId, prepared: &Prepared, worker: usize) -> (Option<String>, Vec<String>) {
        let slot = u32::try_from(worker).ok().and_then(|index| self.uid_of_slot(index));
        let user = prepared.user.map(|user| user.uid).or(slot).filter(|_| rustix::process::geteuid().is_root());
        let grant = &self.tickets[&id].admitted.grant;
        let probed = self.layers.get(&(grant.level, grant.network.clone()));
        let layers = probed.and_then(|probe| probe.as_ref().ok()).map(|found| found.all.clone()).unwrap_or_default();
        (user.map(|uid| uid.to_string()), layers)
    }

    /// What may have changed since admission: the time, and what an earlier request with the same key came to.
    pub(super) fn settle_unstarted(&mut self, id: RequestId) -> Result<bool, DispatchError> {
        let Some(ticket) = self.tickets.get(&id) else { return Ok(true) };
        if ticket.started.is_some() {
            return Ok(false);
        }
        if self.is_expired(&ticket.admitted, &ticket.introduced) {
            self.end_queued(id, Outcome::Expired, "expired", None)?;
            return Ok(true);
        }
        let request = &ticket.admitted.request;
        let Some(key) = request.idempotency_key.clone() else { return Ok(false) };
        let (kind, digest) = (request.kind.clone(), spec_digest(&request.spec));
        let entry = ticket.entry.clone();
        // Whoever had this key before may have ended just now.
        self.say_endings()?;
        let rows = locked(&self.journal).with_idempotency_key(&kind, &key)?;
        for row in rows.iter().filter(|row| row.id != id) {
            let outcome = match row.state.outcome() {
                Some(Outcome::Indeterminate) => {
                    let Some(said) = self.remembered(row.id)? else {
                        let words = format!(
                            "the request {0} with the same idempotency_key is indeterminate: `dispatch resolve {0}` settles it",
                            row.id
                        );
                        self.hold_queued(id, &entry, HeldBy::Key, words);
                        return Ok(true);
                    };
                    // To do it again is another request's, perhaps this one.
                    Some(said.word.outcome().unwrap_or(Outcome::Failed))
                }
                outcome => outcome,
            };
            match outcome {
                Some(Outcome::Succeeded) if row.spec_sha256.as_ref() == Some(&digest) => {
                    self.end_queued(id, Outcome::Succeeded, "replay", Some(row.id))?;
                    return Ok(true);
                }
                Some(Outcome::Succeeded) => {
                    self.reject_key(id, &key, row.id)?;
                    return Ok(true);
                }
                Some(_) => {}
                None if row.state == State::Withdrawn => {}
                // Unfinished: the one that stands before it goes first; one that stands behind waits for us.
                None if row.state.is_pending() && !self.stands_before(row.id, id) => {}
                None => {
                    let words = format!("the request {} with the same idempotency_key is not finished", row.id);
                    self.hold_queued(id, &entry, HeldBy::Key, words);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn stands_before(&self, other: RequestId, id: RequestId) -> bool {
        self.queue.iter().map(|(id, _)| id).take_while(|next| *next != id).any(|next| next == other)
    }

    /// What of this machine keeps a request from starting now, looked for before it is claimed and again before it starts.
    pub(super) fn unfit(&self, id: RequestId) -> Result<Option<(HeldBy, String)>, DispatchError> {
        let Some(ticket) = self.tickets.get(&id) else { return Ok(None) };
        let (kind, grant) = (&ticket.admitted.request.kind, &ticket.admitted.grant);
        if let Room::None(words) = self.room_for(grant) {
            return Ok(Some((HeldBy::Disk, words)));
        }
        // An edit after the first START is a request of its own; what was started goes on.
        let again = ticket.started.is_some();
        if !again && let Some(path) = self.dirty_path(id, ticket.loose)? {
            let words = format!("`{path}` has uncommitted changes in the work tree, and this request would touch it");
            return Ok(Some((HeldBy::WorkTree, words)));
        }
        if let Some(path) = grant.read.iter().chain(&grant.write).find(|path| !path.exists()) {
            let words = format!(
                "sandbox_unavailable: mount: `{}` is granted and does not exist on this machine: make it, or take it out of the host file",
                path.display()
            );
            return Ok(Some((HeldBy::Layer, words)));
        }
        if let Some(error) = grant.secrets.iter().find_map(|secret| host::resolve_secret(secret).err()) {
            return Ok(Some((HeldBy::Layer, format!("secret_unavailable: {}", error.in_full()))));
        }
        if let Err(words) = self.user_for(kind, grant)? {
            return Ok(Some((HeldBy::Layer, words)));
        }
        Ok(self.shut_out(grant).map(|words| (HeldBy::Layer, words)))
    }

    fn prepare_parts(&mut self, id: RequestId) -> Result<Option<Prepared>, DispatchError> {
        let ticket = &self.tickets[&id];
        let (entry, kind) = (ticket.entry.clone(), ticket.admitted.request.kind.clone());
        let grant = ticket.admitted.grant.clone();
        let keys = ticket.admitted.locks.clone();
        if matches!(self.room_for(&grant), Room::Promised) {
            // It starts when what runs has ended.
            return Ok(None);
        }
        if let Some((by, words)) = self.unfit(id)? {
            self.hold_queued(id, &entry, by, words);
            return Ok(None);
        }
        let secrets = match grant.secrets.iter().map(host::resolve_secret).collect::<Result<Vec<_>, _>>() {
            Ok(secrets) => secrets.into_iter().map(|secret| (secret.name.clone(), secret.value().to_vec())).collect(),
            Err(error) => {
                self.hold_queued(id, &entry, HeldBy::Layer, format!("secret_unavailable: {}", error.in_full()));
                return Ok(None);
            }
        };
        let user = match self.user_for(&kind, &grant)? {
            Ok(user) => user,
            Err(words) => {
                self.hold_queued(id, &entry, HeldBy::Layer, words);
                return Ok(None);
            }
        };
        let Some(locks) = self.take_locks(id, &entry, &keys)? else { return Ok(None) };
        let Some(snapshot) = self.snapshot_for(id, &entry) else { return Ok(None) };
        self.fix_start(id)?;
        Ok(Some(Prepared { snapshot, secrets, user, locks }))
    }

    /// All locks of a request, or none; `None` where another process has one, and held where it has had it for a while.
    pub(super) fn take_locks(
        &mut self,
        id: RequestId,
        entry: &Entry,
        keys: &BTreeSet<String>,
    ) -> Result<Option<Vec<lock::ResourceLock>>, DispatchError> {
        let keys = if planted::is(Bug::NoLocks) { &BTreeSet::new() } else { keys };
        let taken = match lock::take_all(&self.state.locks(), keys) {
            Err(error) if room::lacks_means(&error) => {
                let by = if room::is_lacking(&error) { HeldBy::Disk } else { HeldBy::Layer };
                self.locked_out.get_or_insert(self.clock.monotonic());
                self.hold(id, entry, by, error.to_string());
                return Ok(None);
            }
            taken => taken?,
        };
        if taken.is_some() {
            self.locked_out = None;
            return Ok(taken);
        }
        let now = self.clock.monotonic();
        if now.saturating_sub(*self.locked_out.get_or_insert(now)) > LOCK_PATIENCE {
            self.hold(id, entry, HeldBy::Lock, "a resource is locked by another process".to_owned());
        }
        Ok(None)
    }

    /// The tree that the handler will see; `None` and held where it cannot be laid out.
    fn snapshot_for(&mut self, id: RequestId, entry: &Entry) -> Option<Arc<Snapshot>> {
        let started = self.tickets[&id].started.as_ref().map(|started| Arc::clone(&started.contract));
        let contract = started.or_else(|| self.contract.clone())?;
        let commit = contract.commit;
        if let Some((known, snapshot)) = &self.snapshot
            && *known == commit
        {
            return Some(Arc::clone(snapshot));
        }
        match self.snapshots.materialise(&self.repo, commit, &contract.config.folders()) {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                self.snapshot = Some((commit, Arc::clone(&snapshot)));
                Some(snapshot)
            }
            Err(error @ SnapshotError::Blocked { .. }) => {
                let fault = Diagnostic::new("E0711", crate::config::PATH, error.to_string())
                    .help("name folders that are none of the repository's files");
                self.fault(vec![fault]);
                self.hold_queued(id, entry, HeldBy::Repository, error.to_string());
                None
            }
            Err(error) => {
                self.hold_queued(id, entry, HeldBy::Disk, error.to_string());
                None
            }
        }
    }

    /// Fixes commit, job and place at the first START; later attempts find them fixed.
    fn fix_start(&mut self, id: RequestId) -> Result<(), DispatchError> {
        let ticket = &self.tickets[&id];
        if ticket.started.is_some() {
            return Ok(());
        }
        let contract = Arc::clone(self.contract.as_ref().expect("queued by a contract"));
        let (entry, introduced) = (ticket.entry.clone(), ticket.introduced.clone());
        let place = self.choose_place(&contract, id, &entry, &introduced)?;
        let ticket = &self.tickets[&id];
        let job = Arc::new(job_of(id, &ticket.entry, &ticket.introduced, &ticket.admitted, &contract));
        let ticket = self.tickets.get_mut(&id).expect("looked up above");
        ticket.started = Some(Started { job, contract, place });
        Ok(())
    }

    /// Where a record will stand: a place that is free on main and that no other record of this process will take.
    pub(super) fn choose_place(
        &mut self,
        contract: &Contract,
        id: RequestId,
        entry: &Entry,
        introduced: &Introduced,
    ) -> Result<String, DispatchError> {
        let config = &contract.config;
        let wanted = place_of(config.layout, id, entry, introduced);
        let mut place = wanted.clone();
        for number in 2.. {
            let free = !self.places.contains(&place.to_lowercase())
                && is_free(&self.repo, self.tip.unwrap_or(contract.commit), &config.output, &config.archive, &place)?;
            if free {
                break;
            }
            place = format!("{wanted}-{number}");
        }
        if place != wanted {
            tracing::warn!(
                "`{}/{wanted}` is taken: the record of {id} goes to `{}/{place}`",
                config.output,
                config.output
            );
        }
        self.places.insert(place.to_lowercase());
        Ok(place)
    }

    /// Room for log and record of this run, beside what those that run now may still need.
    fn room_for(&self, grant: &Grant) -> Room {
        use crate::units::format_size;
        let Ok(free) = durable::free_room(self.state.root()) else { return Room::Enough };
        let place = self.state.root().display();
        if free.files.is_some_and(|files| files < FILES_MIN) {
            return Room::None(format!(
                "disk_full: no more files can be made in `{place}`: its file system is out of inodes"
            ));
        }
        let needed = needed_by(grant) + SPARE_BYTES;
        if free.bytes < needed {
            let (free, needed) = (format_size(free.bytes), format_size(needed));
            return Room::None(format!("disk_full: `{place}` has {free} free, a run of this kind may need {needed}"));
        }
        let running = self.queue.running();
        let running = running.filter_map(|id| Some(needed_by(&self.tickets.get(&id)?.admitted.grant)));
        let promised = running.sum::<u64>() + self.promised_bytes;
        if free.bytes < needed + promised { Room::Promised } else { Room::Enough }
    }

    /// Why a handler without a view of its own could not get to its folders.
    fn shut_out(&self, grant: &Grant) -> Option<String> {
        if grant.level == Level::Isolated || !rustix::process::geteuid().is_root() {
            return None;
        }
        let place = crate::run::home(&self.state, grant.level);
        if crate::run::is_anothers(&place) {
            return Some(format!(
                "sandbox_unavailable: scratch: `{}` is not a folder of the dispatcher's user, and handlers at level `{}` \
                 would have their folders in it; remove it, or choose another state folder with --state",
                place.display(),
                grant.level.as_str()
            ));
        }
        let closed = crate::run::closed_above(&place)?;
        Some(format!(
            "sandbox_unavailable: scratch: at level `{}` a handler runs as a user that may not enter `{}`, and its folders \
             would lie below it; use level `isolated`, or put the repository's state elsewhere: --state /var/lib/dispatch/NAME",
            grant.level.as_str(),
            closed.display()
        ))
    }

    fn user_for(&self, kind: &str, grant: &Grant) -> Result<Result<Option<User>, String>, DispatchError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(match &grant.run_as {
                Some(name) => {
                    Err(format!("`run_as` of kind `{kind}` is `{name}`, and only root can run as somebody else"))
                }
                None => Ok(None),
            });
        }
        if let Some(name) = &grant.run_as {
            return Ok(host::users::ids_of(name).map(|(uid, gid)| Some(User { uid, gid })));
        }
        // What it keeps must not change hands from run to run.
        if grant.keeps_files() { Ok(self.uid_of_kind(kind)?.map(|uid| Some(User::unnamed(uid)))) } else { Ok(Ok(None)) }
    }

    /// The layer that a request needs and this machine lacks, probed once for each level and network.
    pub(super) fn missing_layer(&mut self, admitted: &Admitted) -> Option<(HeldBy, String)> {
        let level = admitted.grant.level;
        let network = admitted.grant.network.clone();
        let narrowed = matches!(network, Network::Tcp(_));
        let reaches_out = network != Network::None;
        let (keeper, required) = (self.settings.keeper.clone(), self.host.file.levels.require.clone());
        let probe = self.layers.entry((level, network)).or_insert_with(|| {
            let setup = Local::setup(PROBE_SLOT, level, reaches_out, &keeper);
            let mut slot = Slot::start(&setup).map_err(|error| error.to_string())?;
            if narrowed {
                slot.can_narrow_tcp().map_err(|error| error.to_string())?;
            }
            slot.require(&required).map_err(|error| error.to_string())?;
            let mut all = slot.layers().to_vec();
            if narrowed && !all.iter().any(|layer| layer == TCP_LAYER) {
                all.push(TCP_LAYER.to_owned());
                all.sort();
            }
            let untold = all.iter().filter(|layer| layer.ends_with(": rlimit")).cloned().collect();
            Ok(Layers { all, untold })
        });
        let weaker = match probe {
            Err(words) => return Some((HeldBy::Layer, words.clone())),
            Ok(found) => std::mem::take(&mut found.untold),
        };
        if !weaker.is_empty() && !std::mem::replace(&mut self.told_of_rlimits, true) {
            tracing::warn!(
                "{}: no control group can be had here, so that limits are those of each process; \
                 `levels.require: [cgroup.memory, cgroup.pids]` in the host file makes control groups a must",
                weaker.join(", ")
            );
        }
        None
    }
}

/// What log and record of a run may take.
fn needed_by(grant: &Grant) -> u64 {
    let actions = grant.actions.len() as u64 * OUTPUT_BYTES_MAX;
    (grant.limits.output + actions) * 2 + grant.limits.artifacts
}

/// Slot number of probes; workers count from 0.
const PROBE_SLOT: u32 = 9999;

/// Whether the disk has room for a run.
enum Room {
    Enough,
    /// Not beside what runs now.
    Promised,
    /// Not even alone, and why.
    None(String),
}

struct Prepared {
    snapshot: Arc<crate::repo::Snapshot>,
    secrets: Vec<(String, Vec<u8>)>,
    user: Option<User>,
    locks: Vec<lock::ResourceLock>,
}

/// The place that a layout gives, before it is known whether it is free.
pub(super) fn place_of(layout: crate::config::Layout, id: RequestId, entry: &Entry, introduced: &Introduced) -> String {
    use crate::config::Layout;
    let folder = entry.folder.as_ref().map(|folder| format!("{folder}/")).unwrap_or_default();
    match layout {
        Layout::Flat => format!("{folder}{}", entry.stem),
        Layout::Dated => {
            let day = introduced.time.strftime("%Y/%m/%d");
            format!("{folder}{day}/{}-{}", entry.stem, id.short())
        }
    }
}

pub(super) fn job_of(
    id: RequestId,
    entry: &Entry,
    introduced: &Introduced,
    admitted: &Admitted,
    contract: &Contract,
) -> Job {
    Job {
        id: id.uuid(),
        kind: admitted.request.kind.clone(),
        name: entry.stem.clone(),
        folder: entry.folder.clone(),
        request: admitted.request.clone(),
        row: admitted.kind.row.clone(),
        grant: admitted.grant.clone(),
        locks: admitted.locks.clone(),
        objects: Objects {
            commit: contract.commit.to_string(),
            request_blob: entry.oid.to_string(),
            handler_blob: admitted.kind.handler_blob.clone(),
            schema_blob: admitted.kind.schema_blob.clone(),
            index_blob: contract.index_blob.clone(),
        },
        introduced: introduced.clone(),
    }
}

pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}
