//! Saying to others where this host stands: `status.json` at `refs/dispatch/hosts/<node>`, by a thread of its own.
//!
//! Owns when it is said: when it has changed, at most once a minute; unchanged, every hour, as a sign of life; at the end of a
//! dispatcher that watches at once. Nothing waits for it while there is work: the conductor hands over what it would say and
//! goes on, and only the last word of a process is waited for, for moments. What goes wrong here fails no pass: a server that
//! takes no such refs is left alone, and told of once.

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant, SystemTime};

use super::crew::last_words;
use super::{Dispatcher, Obstacle};
use crate::clock::{Clock, utc_millis};
use crate::host_status::{Counts, FILE, HostStatus, Named, VERSION};
use crate::patience::Patience;
use crate::pause::{self, Pause};
use crate::repo::{Identity, Origin, PushClass, PushError, Repo, RepoError};
use crate::request;

/// At most so often.
const EVERY: Duration = Duration::from_mins(1);
/// Without a remote it is written into the user's own repository, where old objects stay until their git clears them.
const EVERY_LOCAL: Duration = Duration::from_mins(10);
/// An unchanged one is said again after this long.
const ALIVE: Duration = Duration::from_hours(1);
/// A dispatcher that has just begun knows more in a moment.
const FIRST: Duration = Duration::from_secs(10);
/// A short pass tells where it stands at its end only.
const TOLD_FIRST: Duration = Duration::from_secs(1);
/// How long the last word may take.
const LAST: Duration = Duration::from_secs(5);
/// A server that takes no such refs is asked again after this long, by another process.
const REFUSED_FOR: Duration = Duration::from_hours(24);

/// Who is told where this dispatcher stands, beside whoever reads its files.
#[derive(Default)]
pub(super) struct Telling {
    /// Says it to others; none before the first look and after the last.
    herald: Option<Herald>,
    /// Hears how far a pass is.
    pub(super) progress: Option<Hears>,
    /// When it is told next, whatever else happens.
    pub(super) at: Duration,
}

type Hears = Box<dyn Fn(&str) + Send>;

/// The thread that says it.
pub(super) struct Herald {
    shared: Arc<Shared>,
    patience: Patience,
}

/// What the conductor would say now.
#[derive(Clone)]
pub(super) struct Said {
    status: HostStatus,
    /// The remote answers.
    reachable: bool,
    /// The remote declines records too: that it declines this says nothing about such refs.
    declines: bool,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    said: Option<Said>,
    /// Nothing comes any more; whether the last word waits for no minute.
    ended: Option<bool>,
}

/// What the thread works with.
struct Voice {
    repo: Repo,
    identity: Identity,
    clock: Arc<dyn Clock>,
    node: String,
    every: Duration,
    /// Where it is noted that the server takes no such refs.
    refused: PathBuf,
    /// What was said last, by whatever process, and when.
    last: Option<(HostStatus, Instant)>,
    /// Not before.
    hold: Instant,
    failures: u32,
}

impl Dispatcher {
    /// Starts the thread; without it nobody is told, and nothing else is missing.
    pub(super) fn start_herald<'scope>(&mut self, scope: &'scope Scope<'scope, '_>) {
        self.telling.at = self.clock.monotonic().saturating_add(TOLD_FIRST);
        // A host name that is no ref: `claims: remote` asks for another, and others do without.
        if request::broken_node(&self.host.node).is_some() {
            return;
        }
        let patience = Patience::default();
        match self.voice(patience.clone()).map(|voice| voice.map(|voice| start(scope, voice, patience))) {
            Ok(None) => {}
            Ok(Some(Ok(herald))) => self.telling.herald = Some(herald),
            Ok(Some(Err(error))) => tracing::warn!("starting a thread: {error}"),
            Err(error) => tracing::warn!("saying to others where this host stands: {error}"),
        }
    }

    fn voice(&self, patience: Patience) -> Result<Option<Voice>, RepoError> {
        let refused = self.state.root().join("hosts-refused");
        let age = fs::metadata(&refused).and_then(|found| found.modified()).ok();
        if age.and_then(|time| SystemTime::now().duration_since(time).ok()).is_some_and(|age| age < REFUSED_FOR) {
            return Ok(None);
        }
        let repo = self.repo.reopen(patience)?;
        let is_local = matches!(repo.origin(), Origin::Local);
        let every = if is_local { EVERY_LOCAL } else { EVERY };
        let node = self.host.node.clone();
        let now = Instant::now();
        let wall = self.clock.now().as_second();
        let last = repo.host_notes(FILE).into_iter().find(|note| note.node == node).and_then(|note| {
            let age = Duration::from_secs(u64::try_from(wall.saturating_sub(note.time)).unwrap_or(0));
            Some((HostStatus::parse(&note.bytes)?, now.checked_sub(age.min(ALIVE)).unwrap_or(now)))
        });
        let first = if self.interval.is_none() || is_local { every } else { FIRST };
        let (identity, clock) = (self.settings.identity.clone(), Arc::clone(&self.clock));
        Ok(Some(Voice { repo, identity, clock, node, every, refused, last, hold: now + first, failures: 0 }))
    }

    /// What others may know now.
    pub(super) fn say_to_others(&self) {
        if let Some(herald) = &self.telling.herald {
            herald.say(self.said(self.interval.is_some()));
        }
    }

    /// The last word: of a pass that is over, or of a dispatcher that does not watch any more.
    pub(super) fn say_goodbye(&mut self, went_well: bool) {
        let Some(herald) = self.telling.herald.take() else { return };
        let hurried = self.stops > 1 || !went_well;
        if hurried {
            herald.patience.end();
        } else {
            herald.say(self.said(false));
        }
        herald.end(self.interval.is_some());
    }

    /// Why nothing at all is started, where somebody said so.
    fn paused_words(&self) -> Option<String> {
        let by_file = self.is_paused().then(|| "nothing is started while the file `paused` exists".to_owned());
        let pauses = self.pauses();
        by_file.or_else(|| pauses.iter().find(|pause| pause.scope == pause::Scope::All).map(Pause::words))
    }

    fn said(&self, watching: bool) -> Said {
        let obstacle = self.obstacle();
        let named = |id| Named::new(id, &self.name_of(id));
        let running: Vec<Named> = self.queue.running().map(named).collect();
        let mut others = self.queue.waiting(usize::MAX);
        others.retain(|(id, _)| !self.held.contains_key(id));
        let counts = Counts {
            running: running.len(),
            held: self.held.len(),
            waiting: others.len(),
            unpublished: self.waiting_for_main(),
        };
        // No more than is said anyway.
        let waiting = others.into_iter().take(100).map(|(id, behind)| {
            let (behind, resource) = behind.unzip();
            Named { behind, resource, ..named(id) }
        });
        let held = self.held.values().map(|held| Named {
            by: Some(held.by.word().to_owned()),
            words: Some(held.words.clone()),
            ..Named::new(held.id, &held.path)
        });
        let time = |seconds| jiff::Timestamp::from_second(seconds).ok().filter(|_| seconds > 0).map(utc_millis);
        let status = HostStatus {
            v: VERSION,
            node: self.host.node.clone(),
            dispatcher: env!("CARGO_PKG_VERSION").to_owned(),
            written_at: utc_millis(self.clock.now()),
            last_pass: time(self.last_fetch),
            watching,
            interval_ms: self
                .interval
                .filter(|_| watching)
                .map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
            stopping: watching && self.stopping.is_some(),
            paused: self.paused_words(),
            tip: self.tip.map(|tip| tip.to_string()),
            obstacle: obstacle.map(Obstacle::words),
            blocked: self.waiting().filter(|_| !self.queue.is_empty()),
            adopt: self.to_adopt(),
            faults: self.summary.faults.iter().map(ToString::to_string).collect(),
            counts,
            running,
            held: held.collect(),
            waiting: waiting.collect(),
        };
        let reachable =
            !matches!(obstacle, Some(Obstacle::Network(_) | Obstacle::Auth(_) | Obstacle::Configuration(_)));
        let declines = matches!(obstacle, Some(Obstacle::Declined(_) | Obstacle::Closed(_)));
        Said { status: status.bounded(), reachable: reachable && self.tip.is_some(), declines }
    }
}

impl Herald {
    fn say(&self, said: Said) {
        self.shared.slot().said = Some(said);
        self.shared.changed.notify_all();
    }

    /// Nothing comes any more; the thread says its last word, if there is one and time for it.
    fn end(self, at_once: bool) {
        if let Some(until) = Instant::now().checked_add(LAST) {
            self.patience.end_by(until);
        }
        self.shared.slot().ended = Some(at_once);
        self.shared.changed.notify_all();
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.shared.slot().ended.get_or_insert(false);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said next, when its time has come; `None` at the end.
    fn next(&self, voice: &Voice) -> Option<Said> {
        let mut slot = self.slot();
        loop {
            let now = Instant::now();
            let due = slot.said.as_ref().and_then(|said| voice.due(said, slot.ended, now));
            if due.is_some_and(|due| due <= now) {
                return slot.said.clone();
            }
            if slot.ended.is_some() {
                return None;
            }
            slot = match due {
                Some(due) => self
                    .changed
                    .wait_timeout(slot, due - now)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(slot, _)| slot),
                None => self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Voice {
    /// When this may be said; `None` where nobody could hear it.
    fn due(&self, said: &Said, ended: Option<bool>, now: Instant) -> Option<Instant> {
        if !said.reachable {
            return None;
        }
        let (is_new, last) = match &self.last {
            Some((status, at)) => (!status.says_the_same(&said.status), Some(*at)),
            None => (true, None),
        };
        let pause = if is_new { self.every } else { ALIVE };
        let pause = pause.saturating_mul(1 << self.failures.min(6)).min(ALIVE);
        let due = last.map(|at| at + pause);
        match ended {
            // The last word of one that watched is not held back: it would be taken for dead.
            Some(true) if is_new => Some(now),
            Some(_) => Some(due.unwrap_or(now)),
            None => Some(due.map_or(self.hold, |due| due.max(self.hold))),
        }
    }

    /// Says it; false where there is nobody to say anything to any more.
    fn say(&mut self, said: &Said) -> bool {
        let (status, now) = (&said.status, self.clock.now());
        let Counts { running, held, waiting, .. } = status.counts;
        let message = format!(
            "host {}: {running} running, {waiting} waiting, {held} held\n\nWhat the dispatcher of this node said last, in `{FILE}`; docs/hosts.md says how to read it.\n",
            self.node
        );
        let file = (FILE, status.text().into_bytes());
        let told = self.repo.tell_of_host(&self.node, file, &message, &self.identity, now.as_second());
        // What could not be said is tried again in its time, and not at once.
        self.last = Some((status.clone(), Instant::now()));
        let Err(error) = told else {
            self.failures = 0;
            return true;
        };
        self.failures += 1;
        if let Some((status, _)) = &mut self.last {
            status.written_at.clear();
            status.node.clear();
        }
        self.bear(&error, said.declines)
    }

    fn bear(&self, error: &PushError, declines: bool) -> bool {
        let refuses = matches!(error.class, PushClass::Declined | PushClass::Configuration | PushClass::TooLarge);
        if !refuses || declines {
            tracing::debug!("saying to others where this host stands: {}", error.words);
            return true;
        }
        let words = error.words.lines().next().unwrap_or_default();
        tracing::info!(
            "the server takes no refs below `{}`, so others do not see in Git where this host stands: {words}",
            crate::claim::HOSTS
        );
        // Another process would tell of it again.
        let _ = fs::write(&self.refused, format!("{words}\n"));
        false
    }
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, mut voice: Voice, patience: Patience) -> io::Result<Herald> {
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let speak = move || {
        let done = catch_unwind(AssertUnwindSafe(|| {
            while let Some(said) = theirs.next(&voice) {
                let is_last = theirs.slot().ended.is_some();
                if !voice.say(&said) || is_last {
                    break;
                }
            }
        }));
        // No pass fails for it.
        if let Err(panic) = done {
            let panic: &(dyn Any + Send) = &*panic;
            tracing::error!("the thread that says where this host stands broke down: {}", last_words(panic));
        }
    };
    Builder::new().name("herald".to_owned()).spawn_scoped(scope, speak)?;
    Ok(Herald { shared, patience })
}
