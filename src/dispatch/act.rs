//! Actions of the host file after a success (`then:`): one after the other, each with a START and an EXIT of its own in the
//! journal, while the resources of the request stay locked.
//!
//! Owns when the next one starts and what its end means for the request. A worker runs it; the handler is never run again,
//! and what was started and not seen to end is started again only where the kind is delivered at least once.

use jiff::Timestamp;

use super::recover::unknown_attempt;
use super::start::boot_id;
use super::{Acting, Crew, DispatchError, Dispatcher, Errand, HeldBy, Hold, Report, RunError};
use crate::command::outcome_of_cancelled;
use crate::event::Event;
use crate::host;
use crate::id::RequestId;
use crate::job::{Delivery, Row as KindRow};
use crate::journal::{Count, Entry as Step, Row};
use crate::lock::ResourceLock;
use crate::outcome::{ActionRun, Outcome};
use crate::publish::locked;
use crate::queue::{Order, Standing as Place};
use crate::run::ActionWork;
use crate::spool;
use crate::state::{Act, State};

/// Starts of an action that the supervisor did not carry out, before it is taken for an answer.
const MISFIRES_MAX: u32 = 3;

/// What the end of an action writes down.
pub(super) struct ActionEnd {
    /// The action's own step.
    pub(super) step: Step,
    /// The request's, where no other action follows.
    pub(super) last: Option<(Step, Vec<Count>)>,
}

impl Dispatcher {
    /// The handler has succeeded: that is durable, with what is known of it, before its first action starts.
    pub(super) fn begin_actions(&mut self, id: RequestId, report: &Report) -> Result<Step, DispatchError> {
        spool::save_report(&self.state, id, report)?;
        let ticket = self.tickets.get_mut(&id).expect("what ran has a ticket");
        ticket.acting = Some(Box::new(Acting { report: report.clone(), done: Vec::new(), starts: 0 }));
        let actions = ticket.admitted.grant.actions.iter().map(|action| action.name.clone()).collect();
        self.actions_due.push(id);
        let (attempt, exit_code) = (report.attempt.number, report.attempt.exit_code);
        Ok(Self::step(id, Event::Passed { attempt, exit_code, actions }))
    }

    /// Starts what is due, as far as workers are free: before new requests, and also while the dispatcher comes to its end.
    pub(super) fn start_actions(&mut self, crew: &mut Crew) -> Result<(), DispatchError> {
        if self.cut_off || self.actions_due.is_empty() {
            return Ok(());
        }
        let (mut steps, mut work, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for id in std::mem::take(&mut self.actions_due) {
            let next = if work.len() < crew.free() { self.prepare_action(id)? } else { None };
            match next {
                Some((step, next)) => {
                    steps.push(step);
                    work.push(next);
                }
                None => waiting.push(id),
            }
        }
        self.actions_due = waiting;
        self.append(&steps, &[])?;
        for next in work {
            tracing::info!("{}: then {}", self.name_of(next.id), next.action.name);
            self.held.remove(&next.id);
            self.running += 1;
            crew.give(Errand::Action(Box::new(next)));
        }
        Ok(())
    }

    /// Whether an action may start without anybody doing anything.
    pub(super) fn may_act(&self) -> bool {
        !self.cut_off && !self.only_locked_out() && self.actions_due.iter().any(|id| !self.held.contains_key(id))
    }

    fn prepare_action(&mut self, id: RequestId) -> Result<Option<(Step, ActionWork)>, DispatchError> {
        let ticket = &self.tickets[&id];
        let (entry, keys) = (ticket.entry.clone(), ticket.admitted.locks.clone());
        if let Some((by, words)) = self.doubts_start_of(id)
            && ticket.admitted.kind.row.delivery == Delivery::AtMostOnce
        {
            self.hold(id, &entry, by, words.to_owned());
            return Ok(None);
        }
        if ticket.hold.locks.is_none() {
            let Some(locks) = self.take_locks(id, &entry, &keys)? else { return Ok(None) };
            self.hold_of(id).locks = Some(locks);
        }
        if self.tickets[&id].hold.secrets.is_none() {
            // What it prints can only be masked by who knows them.
            let granted = &self.tickets[&id].admitted.grant.secrets;
            match granted.iter().map(host::resolve_secret).collect::<Result<Vec<_>, _>>() {
                Ok(secrets) => {
                    let plain = secrets.into_iter().map(|secret| (secret.name.clone(), secret.value().to_vec()));
                    self.hold_of(id).secrets = Some(plain.collect());
                }
                Err(error) => {
                    self.hold(id, &entry, HeldBy::Layer, format!("secret_unavailable: {}", error.in_full()));
                    return Ok(None);
                }
            }
        }
        let ticket = self.tickets.get_mut(&id).expect("looked up above");
        let held = ticket.hold.locks.iter().flatten();
        let locks = held.map(ResourceLock::share).collect::<Result<Vec<_>, _>>()?;
        let acting = ticket.acting.as_mut().expect("what is due acts");
        acting.starts += 1;
        let index = acting.done.len();
        let number = number_of(acting);
        let started = ticket.started.as_ref().expect("what acts was started");
        let action = ticket.admitted.grant.actions[index].clone();
        let step = Self::step(id, Event::ActionStart { number, name: action.name.clone(), boot: boot_id() });
        let work = ActionWork {
            id,
            attempt: acting.report.attempt.number,
            number,
            action,
            job: std::sync::Arc::clone(&started.job),
            secrets: ticket.hold.secrets.clone().unwrap_or_default(),
            locks,
        };
        Ok(Some((step, work)))
    }

    fn hold_of(&mut self, id: RequestId) -> &mut Hold {
        &mut self.tickets.get_mut(&id).expect("what acts has a ticket").hold
    }

    /// An action is over, or its supervisor is: the step that says so, and the record's where it was the last one.
    pub(super) fn conclude_action(
        &mut self,
        id: RequestId,
        result: Result<ActionRun, RunError>,
    ) -> Result<ActionEnd, DispatchError> {
        let (now, stopping) = (self.clock.now(), self.stopping.is_some());
        let ticket = self.tickets.get_mut(&id).expect("what acts has a ticket");
        let row = &ticket.admitted.kind.row;
        let acting = ticket.acting.as_mut().expect("what was started acts");
        let told = ticket.cancelling.is_some();
        let (number, starts) = (number_of(acting), acting.starts);
        let name = ticket.admitted.grant.actions[acting.done.len()].name.clone();
        let (mut run, again) = match result {
            Ok(run) => {
                // Ended by our own stop: the next dispatcher starts it again.
                let stopped = stopping && run.reason.as_deref() == Some("shutdown");
                let again = stopped && !told && may_start_again(row, starts);
                (run, again)
            }
            Err(error) => {
                tracing::error!("{}: then {name}: {error}", ticket.entry.shown);
                let ran = error.may_have_started();
                let reason = if ran { ActionRun::UNSEEN.to_owned() } else { format!("not_started: {error}") };
                let run = ActionRun { name, started_at: Some(now), reason: Some(reason), ..ActionRun::default() };
                (run, !told && if ran { may_start_again(row, starts) } else { starts < MISFIRES_MAX })
            }
        };
        run.starts = (starts > 1).then_some(starts);
        let step = Self::step(id, Event::ActionExit { number, run: run.clone(), again });
        if again {
            self.actions_due.push(id);
            return Ok(ActionEnd { step, last: None });
        }
        let succeeded = run.succeeded();
        acting.done.push(run);
        acting.starts = 0;
        if succeeded && !told && acting.done.len() < ticket.admitted.grant.actions.len() {
            self.actions_due.push(id);
            return Ok(ActionEnd { step, last: None });
        }
        Ok(ActionEnd { step, last: Some(self.seal_acted(id)?) })
    }

    /// Seals the record of a request whose actions are over: all of them, up to one that did not succeed, or up to where a
    /// person wanted it to end.
    pub(super) fn seal_acted(&mut self, id: RequestId) -> Result<(Step, Vec<Count>), DispatchError> {
        let ticket = &self.tickets[&id];
        let acting = ticket.acting.as_ref().expect("its actions are over");
        let mut report = acting.report.clone();
        let failed = acting.done.iter().find(|run| !run.succeeded());
        let all = acting.done.len() == ticket.admitted.grant.actions.len();
        report.outcome = match failed {
            Some(failed) => outcome_of(failed),
            None => outcome_of_cancelled(Outcome::Succeeded, ticket.cancelling.is_some() && !all),
        };
        let reason = failed.map(reason_of).or_else(|| self.words_of_cancelled(id, report.outcome));
        self.seal_with(id, &report, reason)
    }

    /// Takes up a request whose handler had succeeded, at the action that the journal says.
    pub(super) fn recover_acting(&mut self, row: &Row) -> Result<(), DispatchError> {
        let State::Acting { attempt, commit, place, actions, ended, now } = row.state.undisturbed().clone() else {
            return Ok(());
        };
        let cancelling = self.cancelling_of(row)?;
        tracing::warn!("{} was in its actions when the dispatcher was ended", row.path);
        let mut attempts = self.attempts_of(row)?;
        let (mut done, starts) = self.actions_of(row)?;
        let report = spool::load_report(&self.state, row.id, attempt).unwrap_or_else(|| {
            let last = attempts.last().cloned();
            Report::unrun(last.unwrap_or_else(|| unknown_attempt(attempt, self.clock.now())), Outcome::Succeeded)
        });
        if let Some(last) = attempts.last_mut() {
            *last = report.attempt.clone();
        }
        let count = u32::try_from(starts.len()).unwrap_or(u32::MAX);
        let next = actions.get(ended).cloned().unwrap_or_default();
        let unseen = ActionRun {
            name: next.clone(),
            started_at: starts.last().copied(),
            starts: (count > 1).then_some(count),
            reason: Some(ActionRun::UNSEEN.to_owned()),
            ..ActionRun::default()
        };
        let number = u32::try_from(ended + 1).unwrap_or(u32::MAX);
        let exit = |again| Self::step(row.id, Event::ActionExit { number, run: unseen.clone(), again });
        let Some(mut ticket) = self.readmit(row, &commit, &place)? else {
            if now == Act::Running {
                self.append(&[exit(false)], &[])?;
                done.push(unseen);
            } else if now == Act::Waiting {
                let words = "not_started: what it was started with is not there any more";
                done.push(ActionRun { reason: Some(words.to_owned()), ..ActionRun::not_run(&next) });
            }
            let outcome = done.last().map_or(Outcome::Failed, outcome_of);
            return self.end_without_ticket(row, &place, attempt, attempts, outcome, done);
        };
        ticket.cancelling = cancelling;
        let told = ticket.cancelling.is_some();
        let again = !told && may_start_again(&ticket.admitted.kind.row, count);
        let in_doubt = self.doubt_of(row.id).is_some() && ticket.admitted.kind.row.delivery == Delivery::AtMostOnce;
        let mut steps = Vec::new();
        let goes_on = match now {
            Act::Running => {
                steps.push(exit(again));
                if !again {
                    done.push(unseen);
                }
                again
            }
            Act::Waiting if ended < actions.len() && in_doubt => {
                done.push(ActionRun { reason: Some(ActionRun::IN_DOUBT.to_owned()), ..ActionRun::not_run(&next) });
                false
            }
            Act::Waiting => ended < actions.len() && !told,
            Act::Failed => false,
        };
        ticket.attempts = attempts;
        ticket.acting = Some(Box::new(Acting { report, done, starts: count }));
        let order = Order { position: ticket.introduced.position, path: ticket.entry.shown.clone() };
        let keys = ticket.admitted.locks.clone();
        self.tickets.insert(row.id, ticket);
        if goes_on {
            self.queue.insert(row.id, order, keys, Place::Running);
            self.actions_due.push(row.id);
            return self.append(&steps, &[]);
        }
        let (step, counts) = self.seal_acted(row.id)?;
        steps.push(step);
        spool::sync(&self.state)?;
        self.append(&steps, &counts)
    }

    /// The actions that the journal knows to be over, and when the one after them was started.
    fn actions_of(&self, row: &Row) -> Result<(Vec<ActionRun>, Vec<Timestamp>), DispatchError> {
        let (mut done, mut starts) = (Vec::new(), Vec::new());
        for (at, event) in locked(&self.journal).events(row.id)? {
            match event {
                Event::ActionStart { .. } => starts.push(at.parse().unwrap_or_default()),
                Event::ActionExit { run, again: false, .. } => {
                    done.push(run);
                    starts.clear();
                }
                _ => {}
            }
        }
        Ok((done, starts))
    }
}

/// Place of the next action, from 1.
fn number_of(acting: &Acting) -> u32 {
    u32::try_from(acting.done.len() + 1).unwrap_or(u32::MAX)
}

/// Whether an action that was started so many times may be started once more although nobody saw its end.
fn may_start_again(row: &KindRow, starts: u32) -> bool {
    let retry = row.retry.as_ref().filter(|_| row.delivery == Delivery::AtLeastOnce);
    retry.is_some_and(|retry| starts < retry.attempts)
}

/// What an action that did not succeed makes of its request.
fn outcome_of(run: &ActionRun) -> Outcome {
    match run.reason.as_deref() {
        None => Outcome::Succeeded,
        Some(ActionRun::UNSEEN | ActionRun::IN_DOUBT) => Outcome::Indeterminate,
        Some(_) => Outcome::Failed,
    }
}

/// The reason of the whole request.
pub(super) fn reason_of(run: &ActionRun) -> String {
    format!("then {}: {}", run.name, run.reason.as_deref().unwrap_or("failed"))
}
