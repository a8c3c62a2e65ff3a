//! Ending a request because a person does not want it any more (`dispatch.cancel`).
//!
//! What was not started, or waits for its next attempt, ends at once. What runs is told to end after CANCEL is durable, and
//! nothing more of it starts, whatever happens in between; an action of the host file that runs is left to its end, because
//! it is the owner's, and those behind it are not run. The cancelling request waits for that end, so that its record says
//! what came of it: it may have come too late.

use super::claims::{Ending, How};
use super::command::{Asked, Refusal, fault_at};
use super::finish::End;
use super::intake::Met;
use super::{Cancelling, DispatchError, Dispatcher, HeldBy};
use crate::admit::Verdict;
use crate::archive;
use crate::command::{Cancel, Cancelled, Ended, Uncancellable, outcome_of_cancelled};
use crate::contract::Contract;
use crate::event::Event;
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::publish::locked;
use crate::record::report::Report;
use crate::request;
use crate::spool;
use crate::state::{Act, State};

impl Dispatcher {
    /// Ends the request that another one names, or waits for its end.
    pub(super) fn cancel(
        &mut self,
        asked: &Asked,
        cancel: &Cancel,
        contract: &Contract,
    ) -> Result<Result<(), Refusal>, DispatchError> {
        let id = cancel.id;
        let wait = |words: String| Ok(Err(Refusal::Wait(HeldBy::Ending, words)));
        // Whoever ended just now has ended.
        self.say_endings()?;
        let row = locked(&self.journal).get(id)?;
        let state = row.map(|row| row.state).unwrap_or_default();
        match &state {
            State::Cancelling { .. } => return wait(format!("{id} was told to end, which is waited for")),
            State::Running { .. } | State::Acting { .. } | State::Retrying { .. }
                if !self.tickets.contains_key(&id) =>
            {
                return wait(format!("{id} has ended, and its record is being made"));
            }
            State::Running { .. } => {
                self.tell_to_end(id, asked.id, cancel.reason.clone())?;
                return wait(format!("{id} was told to end, which is waited for"));
            }
            State::Acting { now, .. } => {
                self.tell_to_end(id, asked.id, cancel.reason.clone())?;
                if *now == Act::Running {
                    return wait(format!("an action of {id} is waited for, and none follows it"));
                }
                self.actions_due.retain(|due| *due != id);
                self.end_acting(id)?;
            }
            State::Retrying { .. } => self.end_between_attempts(id, asked.id, cancel)?,
            state if state.outcome().is_some() => {}
            _ => {
                if let Err(refusal) = self.cancel_waiting(asked, cancel, contract)? {
                    return Ok(Err(refusal));
                }
            }
        }
        self.say_what_came_of(asked, cancel, contract)
    }

    /// The record of the cancelling request, once the other one has ended.
    fn say_what_came_of(
        &mut self,
        asked: &Asked,
        cancel: &Cancel,
        contract: &Contract,
    ) -> Result<Result<(), Refusal>, DispatchError> {
        let id = cancel.id;
        let (row, events) = {
            let journal = locked(&self.journal);
            (journal.get(id)?, journal.events(id)?)
        };
        let Some(outcome) = row.and_then(|row| row.state.outcome()) else { return Ok(Ok(())) };
        let told = events.iter().any(|(_, event)| matches!(event, Event::Cancel { by, .. } if *by == asked.id));
        let by = spool::load(&self.state, id).and_then(|parcel| parcel.record.cancelled_by);
        let is_done = outcome == Outcome::Cancelled && (told || by == Some(asked.id));
        if !is_done && !told {
            return Ok(Err(refusal(asked, id, Uncancellable::Ended(outcome))));
        }
        let started = events.iter().any(|(_, event)| matches!(event, Event::Start { .. }));
        let done = match (is_done, started) {
            (true, true) => Ended::Stopped,
            (true, false) => Ended::Unstarted,
            (false, _) => Ended::TooLate,
        };
        let words = match done {
            Ended::Unstarted => format!("{id} was cancelled before it was started"),
            Ended::Stopped => format!("{id} was cancelled"),
            Ended::TooLate => format!("too late: {id} ended {outcome}"),
        };
        let came = if is_done { Outcome::Succeeded } else { Outcome::Failed };
        let result = serde_json::to_value(Cancelled { asked: cancel.clone(), done, outcome }).expect("plain data");
        let (step, counts) = self.seal_word(asked, contract, came, result, words, Vec::new())?;
        spool::sync(&self.state)?;
        self.append(&[step], &counts)?;
        Ok(Ok(()))
    }

    /// What runs, or whose actions do. CANCEL is durable first: whatever becomes of us, nothing more of it starts.
    fn tell_to_end(&mut self, id: RequestId, by: RequestId, reason: Option<String>) -> Result<(), DispatchError> {
        self.append(&[Self::step(id, Event::Cancel { by, reason: reason.clone() })], &[])?;
        tracing::info!("{} is told to end ({by})", self.name_of(id));
        let ticket = self.tickets.get_mut(&id).expect("looked up by the caller");
        ticket.cancelling = Some(Cancelling { by, reason });
        if let Some(cancel) = &ticket.cancel {
            cancel.cancel();
        }
        Ok(())
    }

    /// An attempt that was told to end is over.
    pub(super) fn conclude_cancelled(&mut self, id: RequestId, report: &Report, goes_on: bool) -> End {
        let outcome = outcome_of_cancelled(report.outcome, goes_on);
        let report = Report { outcome, ..report.clone() };
        let reason = self.words_of_cancelled(id, outcome);
        End::Over(Box::new(self.draft(id, &report, reason)))
    }

    /// Why a request ended that was told to, where that is the reason.
    pub(super) fn words_of_cancelled(&self, id: RequestId, outcome: Outcome) -> Option<String> {
        let cancelling = self.tickets.get(&id)?.cancelling.as_ref()?;
        (outcome == Outcome::Cancelled).then(|| Cancel::words(cancelling.reason.as_deref()))
    }

    /// The handler has succeeded, and no action of it runs: none is started any more.
    fn end_acting(&mut self, id: RequestId) -> Result<(), DispatchError> {
        let (step, counts) = self.seal_acted(id)?;
        self.held.remove(&id);
        spool::sync(&self.state)?;
        self.append(&[step], &counts)
    }

    /// Nothing of it runs, and it is not tried again.
    fn end_between_attempts(&mut self, id: RequestId, by: RequestId, cancel: &Cancel) -> Result<(), DispatchError> {
        let reason = cancel.reason.clone();
        let words = Cancel::words(reason.as_deref());
        let ticket = self.tickets.get_mut(&id).expect("looked up by the caller");
        ticket.cancelling = Some(Cancelling { by, reason });
        let last = ticket.attempts.last().cloned().expect("it was started before");
        self.stalled.remove(&id);
        self.held.remove(&id);
        let draft = self.draft(id, &Report::unrun(last, Outcome::Cancelled), Some(words)).uncounted();
        let (step, counts) = self.seal(&draft)?;
        spool::sync(&self.state)?;
        self.append(&[step], &counts)
    }

    /// What lies in the inbox and was not started.
    fn cancel_waiting(
        &mut self,
        asked: &Asked,
        cancel: &Cancel,
        contract: &Contract,
    ) -> Result<Result<(), Refusal>, DispatchError> {
        let id = cancel.id;
        let tip = self.tip.unwrap_or(contract.commit);
        let waits = |by: HeldBy, words: String| Ok(Err(Refusal::Wait(by, words)));
        if id == asked.id {
            let words = "a request cannot cancel itself".to_owned();
            return Ok(Err(fault(asked, words, "name another one; this one is over with its record")));
        }
        let Some(other) = self.meet_all(tip, contract)?.into_iter().find(|other| other.id == id) else {
            if asked.is_early {
                return waits(HeldBy::Ending, format!("whether {id} is on main is looked for first"));
            }
            return Ok(Err(self.not_there(asked, id, contract)?));
        };
        if self.is_claimed_by_another(id) {
            return waits(HeldBy::Claim, format!("{id} is claimed by another node, which carries this out"));
        }
        if let Some(target) = &other.target {
            return waits(HeldBy::Target, format!("{id} is for {target}, which carries this out"));
        }
        if self.is_in_doubt(&other) {
            let words = format!("another dispatcher may have started {id}");
            return Ok(Err(fault(asked, words, "`dispatch resolve` says how it ended, or that it may start")));
        }
        let Met { entry, introduced, bytes, verdict, loose, .. } = other;
        let kind = request::hints(&entry.shown, &bytes).0;
        let admitted = if let Verdict::Ready(admitted) = verdict { Some(admitted) } else { None };
        self.queue.remove(id);
        self.tickets.remove(&id);
        self.held.remove(&id);
        let how = How::Cancelled { admitted, kind, by: asked.id, reason: cancel.reason.clone() };
        self.end(Ending { id, entry, introduced, loose, how })?;
        if self.is_ending(id) {
            return waits(HeldBy::Ending, format!("{id} is claimed first, so that no other node starts it"));
        }
        Ok(Ok(()))
    }

    /// Why a request that lies in no inbox cannot be cancelled.
    fn not_there(&self, asked: &Asked, id: RequestId, contract: &Contract) -> Result<Refusal, DispatchError> {
        let tip = self.tip.unwrap_or(contract.commit);
        let found = archive::find(&self.repo, tip, &contract.config, self.state.root(), id)?;
        let why = found.map_or(Uncancellable::Unknown, |(_, record)| Uncancellable::Ended(record.outcome));
        Ok(refusal(asked, id, why))
    }
}

fn refusal(asked: &Asked, id: RequestId, why: Uncancellable) -> Refusal {
    let (words, help) = why.words(id);
    fault(asked, words, help)
}

fn fault(asked: &Asked, words: String, help: &str) -> Refusal {
    Refusal::Fault(Box::new(fault_at(asked, Uncancellable::CODE, "/spec/id", words).help(help)))
}
