//! What may not start for a while although nothing is amiss: what a person has paused, and what is over a rate of the host file.
//!
//! Owns the pauses in the journal (`pause:…`, one a scope; an empty one has ended) and the count of starts. Whoever is held
//! stays queued and gives its place up meanwhile; when the pause is over, or the window has room, it starts without another
//! look at main. What runs goes on, its actions included; a further attempt is a start.

use std::time::Duration;

use jiff::Timestamp;

use super::command::{Asked, Refusal, fault_at};
use super::start::boot_id;
use super::{DispatchError, Dispatcher, HeldBy};
use crate::clock::Clock;
use crate::command::{self, Command};
use crate::contract::Contract;
use crate::hand_in::HandedIn;
use crate::host::Host;
use crate::id::RequestId;
use crate::journal::{FirstStart, Journal, JournalError};
use crate::outcome::Outcome;
use crate::pause::{self, Change, Done, Effect, Pause, Scope};
use crate::publish::locked;
use crate::queue::Standing as Place;
use crate::rate::{ALL, Rates};
use crate::record::Record;
use crate::request;

/// Journal key prefix: a pause as JSON, by its scope; empty where it has ended.
const META_PAUSE: &str = "pause:";

/// What steers the starts of one dispatcher.
#[derive(Default)]
pub(super) struct Steering {
    /// Pauses that were set and not resumed; some may be over.
    pauses: Vec<Pause>,
    rates: Rates,
    /// Something is held.
    holds: bool,
    /// When the next of what is held may start, on the monotonic clock.
    due: Option<Duration>,
}

/// Why a request does not start now.
struct Wait {
    by: HeldBy,
    words: String,
    /// When that is over by itself, on the monotonic clock.
    due: Option<Duration>,
}

/// The pauses of this host, by its journal and by what was handed in and is not obeyed yet.
///
/// # Errors
/// The journal cannot be read.
pub fn pauses(journal: Option<&Journal>, handed_in: &[HandedIn]) -> Result<Vec<Pause>, JournalError> {
    let mut pauses = journal.map(kept).transpose()?.unwrap_or_default();
    for asked in handed_in {
        let Ok(envelope) = request::parse(&asked.stem, asked.text.as_bytes()) else { continue };
        let change = match command::read(&envelope) {
            Ok(Command::Pause(pause)) => Change::Set(pause_of(pause, asked.at, asked.id, &asked.who)),
            Ok(Command::Resume(resume)) => Change::End(resume.scope),
            _ => continue,
        };
        take(&mut pauses, change);
    }
    Ok(pauses)
}

fn kept(journal: &Journal) -> Result<Vec<Pause>, JournalError> {
    let found = journal.meta_below(META_PAUSE)?;
    Ok(found.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect())
}

fn pause_of(asked: command::Pause, since: Timestamp, by: RequestId, who: &str) -> Pause {
    let command::Pause { scope, reason, until } = asked;
    Pause { scope, reason, until, since, by, who: who.to_owned() }
}

/// The last word on a scope counts.
fn take(pauses: &mut Vec<Pause>, change: Change) {
    let scope = match &change {
        Change::Set(pause) => pause.scope.clone(),
        Change::End(scope) => scope.clone(),
    };
    pauses.retain(|pause| pause.scope != scope);
    if let Change::Set(pause) = change {
        pauses.push(pause);
    }
}

/// How the journal remembers a change.
fn fact(change: &Change) -> (String, String) {
    let key = |scope: &Scope| match scope {
        Scope::All => format!("{META_PAUSE}all"),
        Scope::Kind(kind) => format!("{META_PAUSE}kind {kind}"),
        Scope::Resource(resource) => format!("{META_PAUSE}resource {resource}"),
    };
    match change {
        Change::Set(pause) => (key(&pause.scope), serde_json::to_string(pause).expect("plain data")),
        Change::End(scope) => (key(scope), String::new()),
    }
}

impl Steering {
    /// How it was left by the process before.
    pub(super) fn taken_up(journal: &Journal, host: &Host, clock: &dyn Clock) -> Result<Self, JournalError> {
        let (up, now, boot) = (clock.since_boot(), clock.now(), boot_id());
        let rates = Rates::new(&host.file.rate, up, |kind, most| {
            let starts = journal.first_starts((kind != ALL).then_some(kind), most)?;
            Ok::<_, JournalError>(starts.iter().map(|start| age_of(start, &boot, up, now)).collect())
        })?;
        Ok(Self { pauses: kept(journal)?, rates, ..Self::default() })
    }

    /// When something that is held may start.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Pauses that are in force.
    pub(super) fn pauses(&self, now: Timestamp) -> impl Iterator<Item = &Pause> {
        self.pauses.iter().filter(move |pause| !pause.is_over(now))
    }
}

/// How long ago a request was started. In this boot of the machine nobody can have set the clock that says so.
fn age_of(start: &FirstStart, boot: &str, up: Duration, now: Timestamp) -> Duration {
    if start.boot == boot {
        return up.saturating_sub(Duration::from_millis(start.up_ms));
    }
    let then = start.at.parse::<Timestamp>().unwrap_or_default();
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

impl Dispatcher {
    /// Starts nothing more of what a request names.
    pub(super) fn pause(
        &mut self,
        asked: &Asked,
        pause: &command::Pause,
        contract: &Contract,
    ) -> Result<Result<(), Refusal>, DispatchError> {
        let now = self.clock.now();
        let pause = pause_of(pause.clone(), now, asked.id, &asked.introduced.author);
        if pause.is_over(now) {
            let fault = fault_at(asked, Pause::OVER_CODE, "/spec/until", Pause::OVER.to_owned());
            return Ok(Err(Refusal::Fault(Box::new(fault.help(Pause::OVER_HELP)))));
        }
        self.steer(asked, Change::Set(pause), Done::Paused, None, contract)?;
        Ok(Ok(()))
    }

    /// Starts it again. Where nothing is paused that is no fault: it may be on another host.
    pub(super) fn resume(
        &mut self,
        asked: &Asked,
        resume: &command::Resume,
        contract: &Contract,
    ) -> Result<(), DispatchError> {
        let scope = resume.scope.clone();
        let now = self.clock.now();
        let done =
            if self.steering.pauses(now).any(|pause| pause.scope == scope) { Done::Resumed } else { Done::NotPaused };
        self.steer(asked, Change::End(scope), done, resume.reason.clone(), contract)
    }

    /// Takes a change and the end of the request that asked for it, both in one step.
    fn steer(
        &mut self,
        asked: &Asked,
        change: Change,
        done: Done,
        reason: Option<String>,
        contract: &Contract,
    ) -> Result<(), DispatchError> {
        let target = request::target_of(&asked.entry.shown, &asked.bytes);
        let (effect, words) = match &change {
            Change::Set(pause) => {
                let Pause { scope, reason, until, .. } = pause.clone();
                (Effect { scope, reason, until, done, target }, pause.words())
            }
            Change::End(scope) => {
                let effect = Effect { scope: scope.clone(), reason, until: None, done, target };
                let words = if done == Done::Resumed { "may start again" } else { "was not paused" };
                (effect, format!("{scope} {words}"))
            }
        };
        let result = serde_json::to_value(effect).expect("plain data");
        let (step, counts) = self.seal_word(asked, contract, Outcome::Succeeded, result, words, Vec::new())?;
        crate::spool::sync(&self.state)?;
        let facts = [fact(&change)];
        self.append_with(&[step], &counts, &facts)?;
        take(&mut self.steering.pauses, change);
        Ok(())
    }

    /// What another host has recorded of a pause holds here too, unless it was meant for that host alone.
    pub(super) fn learn_pause(&mut self, record: &Record) -> Result<(), DispatchError> {
        let Some((change, target)) = Change::of(record) else { return Ok(()) };
        if target.is_some_and(|target| !target.means(&self.host.node, &self.host.file.labels)) {
            return Ok(());
        }
        let (key, value) = fact(&change);
        locked(&self.journal).set_meta(&key, &value)?;
        take(&mut self.steering.pauses, change);
        Ok(())
    }

    /// Sets those aside that are paused or over a rate, and takes those back that are not any more.
    pub(super) fn hold_back(&mut self) {
        if self.steering.pauses.is_empty() && self.steering.rates.is_empty() && !self.steering.holds {
            return;
        }
        let places: Vec<(RequestId, Place)> = self.queue.iter().collect();
        let (mut holds, mut due) = (false, None);
        for (id, place) in places.into_iter().filter(|(_, place)| matches!(place, Place::Ready | Place::Held)) {
            match self.wait_of(id) {
                Some(wait) => {
                    holds = true;
                    due = due.into_iter().chain(wait.due).min();
                    self.set_aside(id, wait);
                }
                None if place == Place::Held => {
                    self.queue.set(id, Place::Ready);
                    self.held.remove(&id);
                }
                None => {}
            }
        }
        (self.steering.holds, self.steering.due) = (holds, due);
    }

    /// Sets one aside that was about to start, where it may not: others of the same round may have used a rate up.
    pub(super) fn is_held_back(&mut self, id: RequestId) -> bool {
        let Some(wait) = self.wait_of(id) else { return false };
        if self.tickets[&id].started.is_some() {
            let entry = self.tickets[&id].entry.clone();
            self.hold_queued(id, &entry, wait.by, wait.words);
        } else {
            self.steering.due = self.steering.due.into_iter().chain(wait.due).min();
            self.steering.holds = true;
            self.set_aside(id, wait);
        }
        true
    }

    fn set_aside(&mut self, id: RequestId, wait: Wait) {
        self.queue.set(id, Place::Held);
        if self.held.get(&id).is_none_or(|held| held.words != wait.words) {
            let entry = self.tickets[&id].entry.clone();
            self.hold(id, &entry, wait.by, wait.words);
        }
    }

    fn wait_of(&self, id: RequestId) -> Option<Wait> {
        let ticket = self.tickets.get(&id)?;
        let (kind, locks) = (&ticket.admitted.request.kind, &ticket.admitted.locks);
        let now = self.clock.now();
        if let Some(pause) = pause::holding(&self.steering.pauses, kind, locks, now) {
            let left = pause.until.map(|until| Duration::try_from(until.duration_since(now)).unwrap_or_default());
            let due = left.map(|left| self.clock.monotonic().saturating_add(left));
            return Some(Wait { by: HeldBy::Pause, words: pause.words(), due });
        }
        let up = self.clock.since_boot();
        let used_up = self.steering.rates.used_up(kind, up).filter(|_| ticket.started.is_none())?;
        let left = used_up.due.saturating_sub(up);
        let until = now.checked_add(left).ok().and_then(|until| until.round(jiff::Unit::Second).ok());
        let words = format!(
            "`rate` in {} allows {}: used up until {}",
            self.host.file.file,
            used_up.line,
            until.unwrap_or(now)
        );
        Some(Wait { by: HeldBy::Rate, words, due: Some(self.clock.monotonic().saturating_add(left)) })
    }

    /// A request is about to be started for the first time.
    pub(super) fn count_start(&mut self, kind: &str) {
        let up = self.clock.since_boot();
        self.steering.rates.count(kind, up);
    }

    /// How many of these may be claimed for a start, as far as rates go: what is claimed and held is kept from other hosts.
    pub(super) fn within_rates(&self, ids: Vec<RequestId>) -> Vec<RequestId> {
        if self.steering.rates.is_empty() {
            return ids;
        }
        let (mut rates, up) = (self.steering.rates.clone(), self.clock.since_boot());
        let mut fits = |id: &RequestId| {
            let Some(ticket) = self.tickets.get(id).filter(|ticket| ticket.started.is_none()) else { return true };
            let kind = &ticket.admitted.request.kind;
            let fits = rates.used_up(kind, up).is_none();
            if fits {
                rates.count(kind, up);
            }
            fits
        };
        ids.into_iter().filter(|id| fits(id)).collect()
    }
}
