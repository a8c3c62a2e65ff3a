//! Several hosts on one repository (`claims: remote`): which of them may start a request, or end it.
//!
//! # The protocol
//! A claim is a ref for the request and one for each of its resources, all created in one atomic push that demands that
//! none of them exists, each at a commit that nobody else has. CLAIM is journalled before the push. Whatever the push
//! answers, one fetch brings main and the refs back together, and only that counts:
//!
//! 1. Our commits stand on all refs of the claim, **and** the request is in the inbox of the main that this same fetch
//!    brought: CLAIMED is journalled, and the request may start, or end without a start.
//! 2. Anything else: UNCLAIMED is journalled, what stands of ours is deleted, and nothing was spawned. If the request is
//!    still there and free it is claimed again, with commits of its own: a push that lands late finds its refs swept by
//!    the next look, because the journal no longer goes by them.
//!
//! The push of the record moves main and deletes the refs, in one. So while a request is neither recorded nor given back,
//! exactly one host can have its ref; and whoever creates the ref after it was recorded reads main afterwards, and does
//! not find the request in the inbox any more (a server shows a moved branch no later than the deletion that came with
//! it). That is why the same fetch must bring both, and why its main must be no older than the claim.
//!
//! A rejection, an expiry or a replay is an end as well and needs the claim, but no resource. A request that waits for
//! its next attempt keeps its claim and gives its locks back; it takes them again before that attempt. An idempotency key
//! is locked like a resource, and what others have recorded is taken over into the journal (`learn.rs`), so that ids and
//! keys mean the same on every host. A lock that a
//! request of ours still has, which has ended and waits for its push, is handed on to our next one by a compare-and-swap.
//!
//! A claim under our name that the journal knows nothing of comes from a time that this state folder has lost: nothing is
//! started by it, until a person has said `adopt` (see [`what_may_have_started`]). Claims never expire: no clock decides
//! who runs what. Those of a host that is gone are settled by a person.
//!
//! Owns when claims are made, read back and given back. Names and words are `claim.rs`'s, git's part is `repo/claims.rs`'s.

mod endings;
mod give_back;
mod learn;
mod lost;
mod node;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

pub(super) use endings::{Ending, How};
pub use lost::{LostClaim, TakeOverError, TakenOver, take_over, what_may_have_started};

use super::{DispatchError, Dispatcher, HeldBy, Obstacle};
use crate::admit::Admitted;
use crate::claim::{self, Note, Purpose};
use crate::clock::utc_millis;
use crate::event::{Claim, Event};
use crate::host_file::Claims as Mode;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::journal::Entry as Step;
use crate::lock;
use crate::planted::{self, Bug};
use crate::publish::locked;
use crate::queue::Standing as Place;
use crate::repo::{Mark, Oid, PushClass, PushError, RefChange};
use crate::request::Request;
use crate::state::{self, State};

/// Pushes of a claim that leave no trace on the remote, one after the other, before that is said.
const MISSES_MAX: u32 = 5;
/// Rounds of claims in one go; what is left then waits for the next turn.
const ROUNDS_MAX: usize = 32;

/// What the locks of idempotency keys begin with.
const IDEMPOTENCY: &str = "idempotency_key ";

/// What is known of claims, our own and others'.
#[derive(Default)]
pub(super) struct Claims {
    /// The refs as they came with the tip that was fetched last.
    marks: HashMap<String, Mark>,
    /// The tip by which the inbox was judged; publishing moves on from it.
    judged: Option<Oid>,
    /// Claims of ours that were read back and are neither recorded nor given back.
    won: HashMap<RequestId, Oid>,
    /// Claims of a state folder that was lost, which `adopt` has made ours. They are never given back.
    adopted: HashMap<RequestId, Oid>,
    /// Requests that end without a start as soon as they are claimed.
    endings: BTreeMap<RequestId, Ending>,
    /// Requests that have taken their resources again for another attempt.
    retaken: HashSet<RequestId>,
    /// How often a claim in a row has left no trace.
    misses: HashMap<RequestId, u32>,
    /// This state folder goes by the node's name.
    registered: bool,
    /// Why nothing is claimed until the next look.
    blocked: Option<Obstacle>,
    /// Why this node stands aside until a person has looked: another state folder has its name.
    namesake: Option<String>,
}

/// What is to be claimed.
struct Wanted {
    id: RequestId,
    path: String,
    keys: BTreeSet<String>,
    /// The claim stands; only the resources are taken.
    only_locks: bool,
}

/// Who has a ref.
enum Holder<'m> {
    Nobody,
    /// This state folder, for this request.
    Us,
    /// This state folder, for another request of its own, which has ended.
    OurEnded(&'m Mark),
    /// Anybody else, or ourselves in a time that the journal knows nothing of.
    Other(&'m Mark),
}

impl Dispatcher {
    /// Whether requests are claimed on the remote.
    pub(super) fn claims_remotely(&self) -> bool {
        self.host.file.claims == Mode::Remote
    }

    /// Whether claims keep anything from being started before the next look.
    pub(super) fn may_claim(&self) -> bool {
        !self.claims_remotely()
            || (self.claims.registered && self.claims.blocked.is_none() && self.claims.namesake.is_none())
    }

    /// Whether another state folder has this node's name.
    pub(super) fn has_namesake(&self) -> bool {
        self.claims.namesake.is_some()
    }

    /// What the summary of a pass says of claims.
    pub(super) fn tell_claims(&mut self) {
        if let Some(blocked) = &self.claims.blocked {
            self.summary.obstacle.get_or_insert_with(|| blocked.clone());
        }
        self.summary.namesake.clone_from(&self.claims.namesake);
    }

    /// Takes the refs that came with a tip. They are never mixed with those of another fetch.
    pub(super) fn take_marks(&mut self, marks: Vec<Mark>) {
        self.claims.marks = marks.into_iter().map(|mark| (mark.name.clone(), mark)).collect();
    }

    /// Other nodes that are registered, where this host does not claim: they would not see what it starts.
    pub(super) fn registered_others(&self) -> Vec<(String, String)> {
        if self.claims_remotely() {
            return Vec::new();
        }
        let own = self.state_id;
        let others = self.claims.marks.values().filter_map(|mark| {
            let node = claim::registered_node(&mark.name)?;
            let state = mark.note.as_ref().map(|note| note.state);
            (state != Some(own)).then(|| (node.to_owned(), state.map_or_else(|| node.to_owned(), |id| id.to_string())))
        });
        let mut others: Vec<_> = others.collect();
        others.sort();
        others
    }

    /// After a restart: the claims of what was started, ended or built here. What was not started is looked at again.
    pub(super) fn recover_claims(&mut self) -> Result<(), DispatchError> {
        let journal = locked(&self.journal);
        self.claims.adopted = lost::adopted(&journal)?;
        self.claims.won.extend(&self.claims.adopted);
        for row in journal.open_in(&state::UNDER_WAY)? {
            let events: Vec<Event> = journal.events(row.id)?.into_iter().map(|(_, event)| event).collect();
            if let Some(claim) = state::claim_of(&events) {
                self.claims.won.insert(row.id, claim.commit.parse()?);
            }
        }
        Ok(())
    }

    /// A killed handler may live on for a moment, and with it the lock of its resource on this host. Before it is gone no
    /// other host may have the resource.
    pub(super) fn wait_for_leftovers(&self, keys: &BTreeSet<String>) -> Result<(), DispatchError> {
        const PATIENCE: Duration = Duration::from_secs(20);
        if !self.claims_remotely() {
            return Ok(());
        }
        let end = self.clock.monotonic() + PATIENCE;
        while lock::take_all(&self.state.locks(), keys)?.is_none() && self.clock.monotonic() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Holds what the refs say of claims against the journal and the queue, once the inbox of the tip that came with them
    /// has been read.
    pub(super) fn settle_claims(&mut self, tip: Oid) -> Result<(), DispatchError> {
        self.claims.judged = Some(tip);
        let rows = locked(&self.journal).open_in(&["claiming", "claimed"])?;
        let mut steps = Vec::new();
        for row in &rows {
            let (State::Claiming { claim } | State::Claimed { claim }) = &row.state else { continue };
            let wanted = self.queue.standing(row.id).is_some() || self.claims.endings.contains_key(&row.id);
            if self.claims_remotely() && wanted && self.stands(row.id, claim) {
                self.claims.won.insert(row.id, claim.commit.parse()?);
                self.claims.misses.remove(&row.id);
                if matches!(row.state, State::Claiming { .. }) {
                    steps.push(Self::step(row.id, Event::Claimed { tip: tip.to_string() }));
                }
            } else {
                self.claims.won.remove(&row.id);
                let reason = if wanted { "it was not won" } else { "it cannot start here now" };
                steps.push(Self::step(row.id, Event::Unclaimed { reason: reason.to_owned() }));
            }
        }
        self.append(&steps, &[])?;
        self.sweep()?;
        self.mark_queue();
        self.end_claimed()
    }

    /// Whether our commits stand on all refs of a claim.
    fn stands(&self, id: RequestId, claim: &Claim) -> bool {
        let at = |name: &str| self.claims.marks.get(name).map(|mark| mark.commit.to_string());
        at(&claim::claim_ref(id)).as_ref() == Some(&claim.commit)
            && claim.locks.iter().all(|(key, commit)| at(&claim::lock_ref(key)).as_ref() == Some(commit))
            || planted::is(Bug::StolenClaim)
    }

    /// Whether a request may go on to its start, with all its resources.
    pub(super) fn is_claimed(&self, id: RequestId, keys: &BTreeSet<String>) -> bool {
        let has_locks = keys.iter().all(|key| matches!(self.holder_of_lock(id, key), Holder::Us));
        self.has_claim(id) && (has_locks || planted::is(Bug::StolenClaim))
    }

    /// Whether a claim of ours was read back and still stands.
    fn has_claim(&self, id: RequestId) -> bool {
        let stands = self.claims.marks.get(&claim::claim_ref(id)).map(|mark| mark.commit);
        let won = self.claims.won.get(&id).copied();
        stands.is_some() && (won == stands || won.is_some() && planted::is(Bug::StolenClaim))
    }

    fn is_ours(&self, mark: &Mark) -> bool {
        mark.note.as_ref().is_some_and(|note| note.state == self.state_id)
    }

    fn holder_of_claim(&self, id: RequestId) -> Holder<'_> {
        match self.claims.marks.get(&claim::claim_ref(id)) {
            None => Holder::Nobody,
            Some(_) if self.has_claim(id) => Holder::Us,
            Some(mark) => Holder::Other(mark),
        }
    }

    fn holder_of_lock(&self, id: RequestId, key: &str) -> Holder<'_> {
        let Some(mark) = self.claims.marks.get(&claim::lock_ref(key)) else { return Holder::Nobody };
        match mark.note.as_ref().filter(|_| self.is_ours(mark)).and_then(Note::request) {
            Some(other) if other == id => Holder::Us,
            Some(other) if self.has_ended(other) => Holder::OurEnded(mark),
            _ => Holder::Other(mark),
        }
    }

    /// Whether the request that a lock is for was claimed here, and goes on here.
    fn is_on_its_way(&self, lock: &Mark) -> bool {
        let request = lock.note.as_ref().and_then(Note::request);
        request.is_some_and(|id| self.claims.won.contains_key(&id) && self.queue.standing(id).is_some())
    }

    /// Whether a request of ours is over, and only its record is under way.
    fn has_ended(&self, id: RequestId) -> bool {
        let row = locked(&self.journal).get(id);
        matches!(row, Ok(Some(row)) if row.state.outcome().is_some())
    }

    /// Requests that others have, or whose resources they have, keep their places, so that nothing behind them on the
    /// same resource goes first; and they wait.
    fn mark_queue(&mut self) {
        let places: Vec<(RequestId, Place)> = self.queue.iter().collect();
        for (id, place) in places {
            if !matches!(place, Place::Ready | Place::Away) {
                continue;
            }
            let Some(ticket) = self.tickets.get(&id) else { continue };
            let (entry, keys) = (ticket.entry.clone(), keys_of(&ticket.admitted));
            match self.taken_by_others(id, &keys) {
                Some((by, words)) => {
                    self.queue.set(id, Place::Away);
                    self.hold(id, &entry, by, words);
                }
                None if place == Place::Away => {
                    self.queue.set(id, Place::Ready);
                    self.held.remove(&id);
                }
                None => {}
            }
        }
    }

    /// Why a request cannot be claimed here now.
    fn taken_by_others(&self, id: RequestId, keys: &BTreeSet<String>) -> Option<(HeldBy, String)> {
        if planted::is(Bug::StolenClaim) {
            return None;
        }
        if let Holder::Other(mark) = self.holder_of_claim(id) {
            let Some(note) = &mark.note else {
                return Some((HeldBy::Claim, format!("claimed by a commit that is none of ours, {}", mark.commit)));
            };
            if note.node == self.host.node || note.state == self.state_id {
                let words = format!(
                    "claimed by this node since {}, and its state folder knows nothing of that: it was lost, or is an older copy",
                    since(mark)
                );
                return Some((HeldBy::Restored, words));
            }
            return Some((HeldBy::Claim, format!("claimed by node {} since {}", note.node, since(mark))));
        }
        if !self.claims_remotely() {
            return None;
        }
        if let Some((mark, note)) = self.claimed_under_another_id(id) {
            let words = format!("what lies at its path is claimed by node {} since {}", note.node, since(mark));
            return Some((HeldBy::Claim, words));
        }
        keys.iter().find_map(|key| match self.holder_of_lock(id, key) {
            // Another request of our own is before it: the queue knows when that is over.
            Holder::Other(mark) if self.is_ours(mark) && self.is_on_its_way(mark) => None,
            Holder::Other(mark) => {
                let who = mark.note.as_ref().map_or_else(
                    || format!("a commit that is none of ours, {}", mark.commit),
                    |note| match &note.purpose {
                        Purpose::Lock { path, .. } => format!("node {} since {}, for {path}", note.node, since(mark)),
                        _ => format!("node {}", note.node),
                    },
                );
                Some((HeldBy::Claim, format!("its resource `{key}` is locked by {who}")))
            }
            _ => None,
        })
    }

    /// Another host's claim of this very file, from a main by which it had another id: a merge whose first parent is the other
    /// line gives what it brings another introducing commit. An edit of a file that we have seen is another request.
    fn claimed_under_another_id(&self, id: RequestId) -> Option<(&Mark, &Note)> {
        let unstarted = self.tickets.get(&id).filter(|ticket| ticket.started.is_none()).map(|ticket| &ticket.entry);
        let entry = unstarted.or_else(|| self.claims.endings.get(&id).map(|ending| &ending.entry))?;
        let is_other_file = |other: RequestId| {
            let row = locked(&self.journal).get(other);
            matches!(row, Ok(Some(row)) if row.path != entry.shown || row.blob != entry.oid.to_string())
        };
        self.claims.marks.values().filter(|mark| !self.is_ours(mark)).find_map(|mark| match &mark.note {
            Some(note) => match &note.purpose {
                Purpose::Claim { id: other, path }
                    if *other != id && *path == entry.shown && !is_other_file(*other) =>
                {
                    Some((mark, note))
                }
                _ => None,
            },
            None => None,
        })
    }

    /// Claims what could start or end now: pushes one after the other, then one fetch that says what came of them.
    pub(super) fn claim_due(&mut self, free: usize) -> Result<(), DispatchError> {
        if !self.claims_remotely() {
            return Ok(());
        }
        for _ in 0..ROUNDS_MAX {
            if !self.may_start_now() {
                return Ok(());
            }
            let wanted = self.wanted(free)?;
            if wanted.is_empty() {
                return Ok(());
            }
            let failed = self.push_claims(&wanted)?;
            self.look_back()?;
            if !self.count_misses(&wanted, failed.as_ref()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What is not claimed yet and could go on: every request that ends without a start, and as many that start as there
    /// are free workers.
    fn wanted(&mut self, free: usize) -> Result<Vec<Wanted>, DispatchError> {
        let mut starts = Vec::new();
        loop {
            let before = self.queue.len();
            starts.clear();
            for id in self.within_rates(self.queue.startable(self.clock.monotonic(), free)) {
                starts.extend(self.wanted_start(id)?);
            }
            // What is held, or ends without a start, makes room for others.
            if self.queue.len() == before {
                break;
            }
        }
        let mut wanted = Vec::new();
        let endings: Vec<(RequestId, Entry)> =
            self.claims.endings.iter().map(|(id, ending)| (*id, ending.entry.clone())).collect();
        for (id, entry) in endings {
            match self.taken_by_others(id, &BTreeSet::new()) {
                Some((by, words)) => {
                    self.claims.endings.remove(&id);
                    self.hold(id, &entry, by, words);
                }
                None => wanted.push(Wanted { id, path: entry.shown, keys: BTreeSet::new(), only_locks: false }),
            }
        }
        wanted.extend(starts);
        Ok(wanted)
    }

    fn wanted_start(&mut self, id: RequestId) -> Result<Option<Wanted>, DispatchError> {
        let Some(ticket) = self.tickets.get(&id) else { return Ok(None) };
        let (entry, keys) = (ticket.entry.clone(), keys_of(&ticket.admitted));
        let again = ticket.started.is_some();
        if self.is_claimed(id, &keys) {
            return Ok(None);
        }
        if again && !self.has_claim(id) {
            self.end_without_claim(id)?;
            return Ok(None);
        }
        if again && let Some((by, words)) = self.taken_by_others(id, &keys) {
            self.hold_queued(id, &entry, by, words);
            return Ok(None);
        }
        if !again && self.settle_unstarted(id)? {
            return Ok(None);
        }
        let only_locks = again || self.claims.adopted.contains_key(&id);
        if !only_locks && self.has_claim(id) {
            // Its resources are others than they were when it was claimed.
            self.give_back(&[id], "its resources have changed")?;
        }
        if let Some((by, words)) = self.unfit(id)? {
            self.hold_queued(id, &entry, by, words);
            return Ok(None);
        }
        Ok(Some(Wanted { id, path: entry.shown, keys, only_locks }))
    }

    /// Asks for the claims. The answers prove nothing; one that says why no claim can be had is given back.
    fn push_claims(&mut self, wanted: &[Wanted]) -> Result<Option<PushError>, DispatchError> {
        let (mut steps, mut alone, mut together) = (Vec::new(), Vec::new(), Vec::new());
        for want in wanted {
            let (step, changes) = self.build_claim(want)?;
            steps.extend(step);
            if want.keys.is_empty() {
                // Without resources each ref stands for itself, and many can be asked for in one push.
                together.extend(changes);
            } else {
                alone.push(changes);
            }
            if want.only_locks {
                self.claims.retaken.insert(want.id);
            }
        }
        self.append(&steps, &[])?;
        let pushes = alone.iter().map(|changes| (changes, true));
        let pushes = pushes.chain((!together.is_empty()).then_some((&together, false)));
        for (changes, whole) in pushes {
            match self.repo.push_marks(changes, whole) {
                Ok(()) => {}
                Err(error) if error.class == PushClass::LostRace => tracing::debug!("{error}"),
                Err(error) => {
                    tracing::debug!("{error}");
                    return Ok(Some(error));
                }
            }
        }
        Ok(None)
    }

    /// The commits of a claim, and the step that makes it known before it is asked for.
    fn build_claim(&self, want: &Wanted) -> Result<(Option<Step>, Vec<RefChange>), DispatchError> {
        let nonce = Uuid::new_v4();
        let (id, path) = (want.id, &want.path);
        let mut changes = Vec::new();
        let mut claim = Claim { nonce: nonce.to_string(), ..Claim::default() };
        if !want.only_locks {
            let commit = self.write_note_with(Purpose::Claim { id, path: path.clone() }, nonce)?;
            claim.commit = commit.to_string();
            changes.push(RefChange::create(claim::claim_ref(id), commit));
        }
        for key in &want.keys {
            let commit = self.write_note_with(Purpose::Lock { key: key.clone(), id, path: path.clone() }, nonce)?;
            let from = match self.holder_of_lock(id, key) {
                Holder::OurEnded(mark) => Some(mark.commit),
                // Of an earlier try of our own that has landed after all.
                Holder::Us => self.claims.marks.get(&claim::lock_ref(key)).map(|mark| mark.commit),
                Holder::Nobody | Holder::Other(_) => None,
            };
            claim.locks.insert(key.clone(), commit.to_string());
            changes.push(RefChange { name: claim::lock_ref(key), from, to: Some(commit) });
        }
        let step = (!want.only_locks).then(|| Self::step(id, Event::Claim(claim)));
        Ok((step, changes))
    }

    /// Looks again at main and at the refs, both from one fetch. Where the inbox was judged by this very tip, that stands.
    fn look_back(&mut self) -> Result<(), DispatchError> {
        let Some((seen, tip)) = self.fetch()? else {
            self.claims.blocked = self.summary.obstacle.clone();
            return Ok(());
        };
        let is_judged = self.claims.judged == Some(tip) || planted::is(Bug::ClaimUnread);
        if is_judged { self.settle_claims(tip) } else { self.take_in(seen, tip) }
    }

    /// Whether another round makes sense. A claim that nobody has and that is not ours either was lost on the way: it is
    /// asked for again after a short random pause, and not for ever.
    fn count_misses(&mut self, wanted: &[Wanted], failed: Option<&PushError>) -> bool {
        if self.claims.blocked.is_some() {
            return false;
        }
        let mut most = 0;
        for want in wanted {
            let free = !self.is_claimed(want.id, &want.keys) && self.taken_by_others(want.id, &want.keys).is_none();
            let still = self.queue.standing(want.id).is_some() || self.claims.endings.contains_key(&want.id);
            if want.only_locks && !self.is_claimed(want.id, &want.keys) {
                self.claims.retaken.remove(&want.id);
            }
            if free && still {
                let misses = self.claims.misses.entry(want.id).or_default();
                *misses += 1;
                most = most.max(*misses);
            } else {
                self.claims.misses.remove(&want.id);
            }
        }
        if most == 0 {
            return true;
        }
        let refused = failed.is_some_and(|error| {
            matches!(error.class, PushClass::Declined | PushClass::Configuration | PushClass::TooLarge)
        });
        if refused || most >= MISSES_MAX {
            let nothing = || PushError {
                class: PushClass::Other,
                branch: self.repo.branch().to_owned(),
                words: format!("{most} pushes in a row have left no trace"),
            };
            let error = failed.cloned().unwrap_or_else(nothing);
            self.claims.misses.clear();
            self.block(&error, "claiming requests");
            return false;
        }
        let random = u64::from(Uuid::new_v4().as_bytes()[0]);
        std::thread::sleep(Duration::from_millis(random * u64::from(most) / 4));
        true
    }

    fn write_note(&self, purpose: Purpose) -> Result<Oid, DispatchError> {
        self.write_note_with(purpose, Uuid::new_v4())
    }

    fn write_note_with(&self, purpose: Purpose, nonce: Uuid) -> Result<Oid, DispatchError> {
        let note = Note { purpose, node: self.host.node.clone(), state: self.state_id, nonce };
        let now = self.clock.now().as_second();
        Ok(self.repo.write_note(&note, &self.settings.identity, now)?)
    }
}

/// What a request needs on the remote besides its claim: its resources, and its idempotency key, because no host sees what
/// another one is doing with the same key.
pub(super) fn keys_of(admitted: &Admitted) -> BTreeSet<String> {
    let mut keys = admitted.locks.clone();
    let Request { kind, idempotency_key, .. } = &admitted.request;
    keys.extend(idempotency_key.as_ref().map(|key| format!("{IDEMPOTENCY}{kind}/{key}")));
    keys
}

/// Since when a ref stands, by the clock of who made it.
fn since(mark: &Mark) -> String {
    Timestamp::from_second(mark.time).map(utc_millis).unwrap_or_default()
}
