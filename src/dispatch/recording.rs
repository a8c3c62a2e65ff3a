//! Recording: what has ended is sealed and synced beside the conductor, so that the next request runs meanwhile.
//!
//! Whatever ended while the last sync was under way shares the next one, and its EXIT is written in one transaction with
//! the next START where one comes soon. Nothing that waits for a resource starts before: a request keeps its place in the
//! queue until its record is sealed, and its EXIT stands before any START of the same transaction. How many may have ended
//! without an EXIT is bounded, because a crash leaves each of them in doubt.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::Duration;

use super::crew::{Broken, Who, last_words};
use super::finish::{Draft, Sealed};
use super::{Crew, DispatchError, Dispatcher, Message};
use crate::journal::{Count, Entry as Step};
use crate::room::Wait;
use crate::spool::{self, SpoolError};
use crate::statedir::StateDir;

/// So many may have ended without an EXIT in the journal.
const UNSAID_MAX: usize = 8;
/// How long an EXIT waits for a START to share a transaction with: as long as a short handler takes, because the next START
/// comes with the end of what runs now.
const COMPANY: Duration = Duration::from_millis(20);
/// How long records that are being sealed are waited for where the conductor itself met a fault.
const RESCUE: Duration = Duration::from_secs(10);

/// What has ended and is not in the journal yet.
#[derive(Default)]
pub(super) struct Recording {
    /// With the recorder.
    under_way: usize,
    /// Synced: these may be written.
    steps: Vec<Step>,
    counts: Vec<Count>,
    /// Since when the first of them waits.
    since: Option<Duration>,
}

impl Recording {
    /// Records that are being sealed.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way == 0 && self.steps.is_empty()
    }

    /// How many more may end before an EXIT has to be written.
    pub(super) fn room(&self, jobs: u32) -> usize {
        UNSAID_MAX.max(2 * jobs as usize).saturating_sub(self.under_way + self.steps.len())
    }

    /// When the oldest has waited long enough.
    pub(super) fn due(&self) -> Option<Duration> {
        self.since.map(|since| since.saturating_add(COMPANY))
    }

    /// The recorder is gone: what it had stays started in the journal, and the next dispatcher judges it by that.
    pub(super) fn forget(&mut self) {
        self.under_way = 0;
    }
}

impl Dispatcher {
    pub(super) fn record_beside(&mut self, draft: Draft, crew: &Crew) {
        self.tell_end(draft.record());
        self.recording.under_way += 1;
        crew.record(draft);
    }

    /// The recorder has sealed and synced these.
    pub(super) fn take_recorded(&mut self, sealed: Vec<Sealed>) {
        for sealed in sealed {
            self.recording.under_way -= 1;
            let (step, mut counts) = self.take_sealed(sealed);
            self.recording.steps.push(step);
            self.recording.counts.append(&mut counts);
            self.recording.since.get_or_insert(self.clock.monotonic());
        }
    }

    /// Writes the EXITs that have waited long enough, or that nobody will come to share a transaction with.
    pub(super) fn say_endings_in_time(&mut self) -> Result<(), DispatchError> {
        let is_due = self.recording.due().is_some_and(|due| due <= self.clock.monotonic());
        if is_due || self.running == 0 { self.say_endings() } else { Ok(()) }
    }

    /// Writes the EXITs of all that is sealed.
    pub(super) fn say_endings(&mut self) -> Result<(), DispatchError> {
        if self.recording.steps.is_empty() { Ok(()) } else { self.append(&[], &[]) }
    }

    /// Steps with those before them that wait for company.
    pub(super) fn with_endings(&self, steps: &[Step], counts: &[Count]) -> (Vec<Step>, Vec<Count>) {
        let (mut all, mut sums) = (self.recording.steps.clone(), self.recording.counts.clone());
        all.extend_from_slice(steps);
        sums.extend_from_slice(counts);
        (all, sums)
    }

    pub(super) fn endings_are_said(&mut self) {
        let under_way = self.recording.under_way;
        self.recording = Recording { under_way, ..Recording::default() };
    }

    /// The conductor cannot go on: what had ended before is known, and must not be in doubt for that.
    pub(super) fn rescue_endings(&mut self) {
        while self.recording.under_way > 0 {
            match self.messages.1.recv_timeout(RESCUE) {
                Ok(Message::Recorded(Ok(sealed))) => self.take_recorded(sealed),
                Ok(Message::Recorded(Err(_))) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    break;
                }
                Ok(_) => {}
            }
        }
        if let Err(error) = self.say_endings() {
            tracing::warn!("writing down what had ended: {error}");
        }
    }
}

/// Starts the recorder; it ends with the sender of its drafts.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    state: StateDir,
    room: Wait,
    answers: Sender<Message>,
) -> io::Result<Sender<Draft>> {
    let (drafts, to_seal) = channel();
    Builder::new().name("recorder".to_owned()).spawn_scoped(scope, move || {
        let recorded = catch_unwind(AssertUnwindSafe(|| record(&state, &room, &to_seal, &answers)));
        if let Err(panic) = recorded {
            let broken = Broken { who: Who::Recorder, words: last_words(&*panic) };
            drop(answers.send(Message::Broken(broken)));
        }
    })?;
    Ok(drafts)
}

fn record(state: &StateDir, room: &Wait, to_seal: &Receiver<Draft>, answers: &Sender<Message>) {
    while let Ok(first) = to_seal.recv() {
        let mut sealed = Vec::new();
        let mut fault = None;
        for draft in std::iter::once(first).chain(to_seal.try_iter()) {
            match room.wait(|| draft.seal(state)) {
                Ok(next) => sealed.push(next),
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        // What could be sealed is not lost with what could not.
        let synced: Result<Vec<Sealed>, SpoolError> = spool::sync(state).map(|()| sealed);
        drop(answers.send(Message::Recorded(synced)));
        if let Some(error) = fault {
            return drop(answers.send(Message::Recorded(Err(error))));
        }
    }
}
