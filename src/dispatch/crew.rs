//! The threads beside the conductor: workers, one a slot, that make attempts and run actions, one that records
//! (`recording`), and one that publishes.
//!
//! Owns their life and what they say. One that panics says that too, with its last words, and ends: whoever conducts can
//! then end what runs and take leave in order. They write nothing into the journal but what the publisher owns, and
//! decide nothing.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use super::finish::Draft;
use super::{Done, Errand, Message};
use crate::publish::{Delivery, Publisher};
use crate::run::{Actions, Executor, Local};

/// The workers, and which of them are free.
pub(super) struct Crew {
    work: Vec<Sender<Errand>>,
    free: Vec<usize>,
    recorder: Sender<Draft>,
}

/// A thread beside the conductor.
#[derive(Clone, Copy)]
pub(super) enum Who {
    /// The worker of a slot.
    Worker(usize),
    Recorder,
    Publisher,
}

/// A thread that broke.
pub(super) struct Broken {
    pub(super) who: Who,
    /// What it said last.
    pub(super) words: String,
}

impl Crew {
    /// Starts a worker for each executor; `recorder` takes the records.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        executors: Vec<(Local, Actions)>,
        recorder: Sender<Draft>,
        answers: &Sender<Message>,
    ) -> io::Result<Self> {
        let mut crew = Self { work: Vec::new(), free: Vec::new(), recorder };
        for (index, (executor, actions)) in executors.into_iter().enumerate() {
            let (work, to_do) = channel();
            let answers = answers.clone();
            let name = format!("worker {index}");
            Builder::new()
                .name(name)
                .spawn_scoped(scope, move || labour(index, executor, actions, &to_do, &answers))?;
            crew.free.push(index);
            crew.work.push(work);
        }
        Ok(crew)
    }

    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn release(&mut self, worker: usize) {
        self.free.push(worker);
    }

    /// Who gets the work that is given out after `given` others.
    pub(super) fn worker(&self, given: usize) -> usize {
        self.free.len().checked_sub(given + 1).map_or(0, |at| self.free[at])
    }

    /// Has a record sealed and synced.
    pub(super) fn record(&self, draft: Draft) {
        // One that broke has said so: the request stays started in the journal.
        let _ = self.recorder.send(draft);
    }

    pub(super) fn give(&mut self, work: Errand) {
        let worker = self.free.pop().expect("only as much is started as workers are free");
        // One that broke takes nothing any more, and has said so: what it was to do is in the journal.
        let _ = self.work[worker].send(work);
    }
}

/// Starts the publisher; it ends with the sender of its deliveries.
///
/// # Errors
/// The system gives no thread.
pub(super) fn start_publisher<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut publisher: Publisher,
    answers: Sender<Message>,
) -> io::Result<Sender<Delivery>> {
    let (deliveries, to_deliver) = channel::<Delivery>();
    Builder::new().name("publisher".to_owned()).spawn_scoped(scope, move || {
        for delivery in to_deliver {
            let done = catch_unwind(AssertUnwindSafe(|| match delivery {
                Delivery::Batch(batch) => Message::Published(Box::new(publisher.publish(batch))),
                Delivery::Follow { tip, inbox } => {
                    publisher.follow(tip, inbox.as_deref());
                    Message::Followed
                }
            }));
            match done {
                Ok(message) => drop(answers.send(message)),
                Err(panic) => {
                    let broken = Broken { who: Who::Publisher, words: last_words(&*panic) };
                    return drop(answers.send(Message::Broken(broken)));
                }
            }
        }
    })?;
    Ok(deliveries)
}

fn labour(
    index: usize,
    mut executor: Local,
    mut actions: Actions,
    to_do: &Receiver<Errand>,
    answers: &Sender<Message>,
) {
    for errand in to_do {
        let id = errand.id();
        let done = catch_unwind(AssertUnwindSafe(|| match errand {
            Errand::Attempt(work) => match executor.execute(*work) {
                Ok(report) => Done::Attempt(Box::new(report)),
                Err(error) => Done::Misfire(error),
            },
            Errand::Action(work) => Done::Action(actions.execute(*work)),
        }));
        let cleared = done.map(|done| drop(answers.send(Message::Done(index, id, done)))).and_then(|()| {
            // Nobody waits for this.
            catch_unwind(AssertUnwindSafe(|| executor.clear()))
        });
        if let Err(panic) = cleared {
            // What it ran must have ended before anybody hears of it: with their slots go the keepers.
            drop((executor, actions));
            let broken = Broken { who: Who::Worker(index), words: last_words(&*panic) };
            return drop(answers.send(Message::Broken(broken)));
        }
    }
}

/// What a panic was about.
pub(super) fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it said nothing".to_owned())
}
