//! Ending: what an attempt came to, whether another follows, and the record that is sealed for publication.

use std::time::Duration;

use super::claims::{Ending, How};
use super::command::Asked;
use super::standing::Held;
use super::{Crew, DispatchError, Dispatcher, Done, Ended, HeldBy, Hold, Report, RunError, Ticket};
use crate::admit::{Admitted, Rejection};
use crate::backoff::Policy;
use crate::clock::utc_millis;
use crate::command::Cancel;
use crate::contract::Contract;
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::job::{Delivery, Introduced, Retry};
use crate::journal::{Count, Entry as Step};
use crate::metrics;
use crate::outcome::{ActionRun, Attempt, Outcome};
use crate::planted::{self, Bug};
use crate::queue::Standing as Place;
use crate::record::log::LogEvent;
use crate::record::{Record, RequestedBy, Sandbox, summary};
use crate::repo::{MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, MODE_GITLINK, MODE_LINK};
use crate::request::is_reserved;
use crate::room;
use crate::spool::{self, NewRequest, Parcel, SpoolError, Story};
use crate::statedir::StateDir;

/// Attempts that the sandbox did not carry out, before it is taken for an answer.
const MISFIRES_MAX: u32 = 3;
/// The same where the machine lacks something that it may have again: about a working day.
const MACHINE_MISFIRES_MAX: u32 = 100;
/// Pauses after such misfires.
const MACHINE_PAUSES: Policy =
    Policy { first: Duration::from_secs(1), max: Duration::from_mins(5), attempts: MACHINE_MISFIRES_MAX };

impl Dispatcher {
    /// Takes finished attempts. Records go to the recorder; what goes on, another attempt or actions, is one durable write.
    pub(super) fn take_done(&mut self, done: Vec<(RequestId, Done)>, crew: &Crew) -> Result<(), DispatchError> {
        let mut steps = Vec::new();
        let mut counts = Vec::new();
        for (id, done) in done {
            let end = match done {
                Done::Attempt(report) => self.conclude(id, &report)?,
                Done::Misfire(error) => self.conclude_misfire(id, &error),
                Done::Action(result) => {
                    let end = self.conclude_action(id, result)?;
                    steps.push(end.step);
                    let Some((step, mut more)) = end.last else { continue };
                    counts.append(&mut more);
                    End::GoesOn(step)
                }
            };
            match end {
                End::GoesOn(step) => steps.push(step),
                // Its claim is given back with the record, and what others wait for is not put off.
                End::Over(draft) if self.claims_remotely() => {
                    let (step, mut more) = self.seal(&draft)?;
                    steps.push(step);
                    counts.append(&mut more);
                }
                End::Over(draft) => self.record_beside(*draft, crew),
            }
        }
        if !steps.is_empty() {
            spool::sync(&self.state)?;
            self.append(&steps, &counts)?;
        }
        // What waits for its next attempt leaves its resources to others meanwhile.
        if self.claims_remotely() { self.sweep() } else { Ok(()) }
    }

    fn conclude(&mut self, id: RequestId, report: &Report) -> Result<End, DispatchError> {
        let ticket = self.tickets.get_mut(&id).expect("what ran has a ticket");
        ticket.attempts.push(report.attempt.clone());
        let row = &ticket.admitted.kind.row;
        let again = may_try_again(row.delivery, row.retry.as_ref(), report, self.stopping.is_some());
        if ticket.cancelling.is_some() {
            let acts = report.outcome == Outcome::Succeeded && !ticket.admitted.grant.actions.is_empty();
            let goes_on = acts || again.is_some();
            return Ok(self.conclude_cancelled(id, report, goes_on));
        }
        if let Some(pause) = again.and_then(|retry| pause_before(retry, report.attempt.number)) {
            return Ok(End::GoesOn(self.retry(id, report.outcome, &report.attempt, pause)));
        }
        if report.outcome == Outcome::Succeeded && !ticket.admitted.grant.actions.is_empty() {
            return Ok(End::GoesOn(self.begin_actions(id, report)?));
        }
        Ok(End::Over(Box::new(self.draft(id, report, None))))
    }

    /// The sandbox did not carry the attempt out. Where that proves that nothing ran, it may be tried again whatever the kind.
    fn conclude_misfire(&mut self, id: RequestId, error: &RunError) -> End {
        let ran = error.may_have_started();
        tracing::error!("{}: {error}", self.name_of(id));
        let now = self.clock.now();
        let ticket = self.tickets.get_mut(&id).expect("what ran has a ticket");
        let number = u32::try_from(ticket.attempts.len()).unwrap_or(u32::MAX) + 1;
        ticket.misfires += 1;
        let attempt = Attempt {
            number,
            started_at: now,
            finished_at: Some(now),
            exit_code: None,
            signal: None,
            reason: Some(if ran { format!("lost: {error}") } else { format!("not_started: {error}") }),
        };
        ticket.attempts.push(attempt.clone());
        if ticket.cancelling.is_some() {
            let unknown = ran && ticket.admitted.kind.row.delivery == Delivery::AtMostOnce;
            let report = Report::unrun(attempt, if unknown { Outcome::Indeterminate } else { Outcome::Cancelled });
            return self.conclude_cancelled(id, &report, false);
        }
        let row = &ticket.admitted.kind.row;
        let harmless = !ran || row.delivery == Delivery::AtLeastOnce;
        let misfires = ticket.misfires;
        if harmless && misfires < MISFIRES_MAX {
            return End::GoesOn(self.retry(id, Outcome::Failed, &attempt, Duration::from_millis(200)));
        }
        // It has done nothing to deserve an end: it waits for the machine, as what was never started does.
        let waits = MACHINE_PAUSES.pause_after((misfires + 1).saturating_sub(MISFIRES_MAX), || 1.0);
        if !ran
            && error.is_of_machine()
            && let Some(pause) = waits
        {
            let (entry, by) =
                (ticket.entry.clone(), if room::is_lacking(error) { HeldBy::Disk } else { HeldBy::Layer });
            let step = self.retry(id, Outcome::Failed, &attempt, pause);
            self.hold(id, &entry, by, error.to_string());
            self.stalled.insert(id);
            return End::GoesOn(step);
        }
        let outcome = if ran { Outcome::Indeterminate } else { Outcome::Failed };
        End::Over(Box::new(self.draft(id, &Report::unrun(attempt, outcome), None)))
    }

    fn retry(&mut self, id: RequestId, outcome: Outcome, attempt: &Attempt, pause: Duration) -> Step {
        let due = self.clock.now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
        let reason = attempt.reason.clone().unwrap_or_default();
        tracing::info!(
            "{} will be tried again in {} ({reason})",
            self.name_of(id),
            crate::units::format_duration(pause)
        );
        self.queue.set(id, Place::Retrying { due: self.clock.monotonic().saturating_add(pause) });
        self.free_between_attempts(id);
        if let Some(ticket) = self.tickets.get_mut(&id) {
            // The next attempt takes its locks and reads its secrets anew.
            ticket.hold = Hold::default();
        }
        let event = Event::Exit {
            attempt: attempt.number,
            outcome,
            exit_code: attempt.exit_code,
            reason: attempt.reason.clone(),
            terminal: false,
            retry_at: Some(utc_millis(due)),
            log_sha256: None,
        };
        Self::step(id, event)
    }

    /// Seals the record of a request whose last attempt is over. `reason` where it was not the handler that decided the outcome.
    pub(super) fn seal_with(
        &mut self,
        id: RequestId,
        report: &Report,
        reason: Option<String>,
    ) -> Result<(Step, Vec<Count>), DispatchError> {
        let draft = self.draft(id, report, reason);
        self.seal(&draft)
    }

    /// What will stand in the record of a request whose last attempt is over. It keeps its place in the queue until that is
    /// sealed.
    pub(super) fn draft(&mut self, id: RequestId, report: &Report, reason: Option<String>) -> Draft {
        let ticket = self.tickets.remove(&id).expect("what ran has a ticket");
        let started = ticket.started.as_ref().expect("what ran was started");
        let job = &started.job;
        let mut record =
            self.record(report.outcome, id, &ticket.entry, &ticket.introduced, &started.contract.commit.to_string());
        fill_from_job(&mut record, &ticket.admitted, &started.contract.index_blob);
        let reason = reason.or_else(|| report.attempt.reason.clone());
        let left_out = if planted::is(Bug::AttemptLeftOut) { ticket.attempts.len().saturating_sub(1) } else { 0 };
        record = Record { reason, ..record }.with_attempts(ticket.attempts[left_out..].to_vec());
        if let Some(acting) = &ticket.acting {
            record = record.with_actions(acting.done.clone(), self.clock.now());
            let reached = record.then.len();
            let rest = job.grant.actions.iter().skip(reached);
            record.then.extend(rest.map(|action| ActionRun::not_run(&action.name)));
        }
        let cancelling = ticket.cancelling.as_ref().filter(|_| report.outcome == Outcome::Cancelled);
        record.cancelled_by = cancelling.map(|cancelling| cancelling.by);
        record.run_as.clone_from(&report.run_as);
        record.sandbox = Some(Sandbox { level: job.grant.level.as_str().to_owned(), layers: report.layers.clone() });
        // Of what nobody saw the end of, what was printed is in handler.log, and nobody counted it.
        record.output = report.attempt.finished_at.map(|_| report.output);
        record.result.clone_from(&report.result);
        record.handler.clone_from(&report.handler);
        record.skipped.clone_from(&report.skipped);
        record.warnings.clone_from(&report.warnings);
        // Where nobody saw its end: when the outcome was known.
        let finished = *record.finished_at.get_or_insert_with(|| self.clock.now());
        let story = Story {
            before: self.beginning(started_or(&record, finished), &ticket.entry, &record.commit),
            attempts: report.attempt.number,
            after: vec![(finished, LogEvent::Recorded { outcome: report.outcome })],
            error_log: None,
            limits: report.limits.clone(),
            tail: report.tail.clone(),
            publish: job.row.publish,
            artifacts: report.artifacts.clone(),
            events: report.events.clone(),
        };
        let (place, loose) = (started.place.clone(), ticket.loose);
        let parcel = Self::parcel(record, &ticket.entry, &started.contract.config, place, loose);
        let duration = parcel.record.duration_ms.map(Duration::from_millis);
        Draft { parcel, story, attempt: report.attempt.number, duration }
    }

    /// Ends a queued request that was never started.
    pub(super) fn end_queued(
        &mut self,
        id: RequestId,
        outcome: Outcome,
        reason: &'static str,
        replay_of: Option<RequestId>,
    ) -> Result<(), DispatchError> {
        self.queue.remove(id);
        let Some(ticket) = self.tickets.remove(&id) else { return Ok(()) };
        let Ticket { entry, introduced, loose, admitted, .. } = *ticket;
        let how = How::Unrun { admitted: Box::new(admitted), outcome, reason, replay_of };
        self.end(Ending { id, entry, introduced, loose, how })
    }

    pub(super) fn reject_key(&mut self, id: RequestId, key: &str, other: RequestId) -> Result<(), DispatchError> {
        self.queue.remove(id);
        let Some(ticket) = self.tickets.remove(&id) else { return Ok(()) };
        let kind = ticket.admitted.request.kind.clone();
        let rejection = Rejection::mismatched_key(&ticket.entry.shown, kind, key, other);
        let Ticket { entry, introduced, loose, .. } = *ticket;
        self.end(Ending { id, entry, introduced, loose, how: How::Rejected(rejection) })
    }

    /// Carries out an ending that was decided, and claimed where requests are.
    pub(super) fn carry_out(&mut self, ending: Ending) -> Result<(), DispatchError> {
        let Ending { id, entry, introduced, loose, how } = ending;
        match how {
            How::Rejected(rejection) => self.reject(id, &entry, &introduced, loose, rejection),
            How::Unrun { admitted, outcome, reason, replay_of } => {
                self.end_unrun(id, &entry, &introduced, loose, &admitted, outcome, reason, replay_of)
            }
            How::InDoubt { admitted, kind, doubt } => {
                let why = Why { outcome: Outcome::Indeterminate, reason: doubt.as_str().to_owned(), by: None };
                self.end_for(id, &entry, &introduced, loose, admitted.as_deref(), kind, why)
            }
            How::Cancelled { admitted, kind, by, reason } => {
                let why = Why { outcome: Outcome::Cancelled, reason: Cancel::words(reason.as_deref()), by: Some(by) };
                self.end_for(id, &entry, &introduced, loose, admitted.as_deref(), kind, why)
            }
            How::Command { command, bytes } => {
                self.obey(&Asked { id, entry, introduced, loose, bytes, is_early: false }, &command)
            }
        }
    }

    /// Ends a request without a run: expired, or answered by an earlier one.
    #[expect(clippy::too_many_arguments, reason = "the facts of one request, which has no ticket yet or no longer")]
    fn end_unrun(
        &mut self,
        id: RequestId,
        entry: &Entry,
        introduced: &Introduced,
        loose: bool,
        admitted: &Admitted,
        outcome: Outcome,
        reason: &'static str,
        replay_of: Option<RequestId>,
    ) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        let mut record = self.record(outcome, id, entry, introduced, &contract.commit.to_string());
        fill_from_job(&mut record, admitted, &contract.index_blob);
        record.reason = Some(reason.to_owned());
        record.replay_of = replay_of;
        if let Some(earlier) = replay_of {
            let earlier = spool::load(&self.state, earlier).map(|parcel| parcel.record);
            // One that a person has settled as succeeded has no code of its own.
            record.exit_code = earlier.as_ref().and_then(|earlier| earlier.exit_code).or(Some(0));
            record.result = earlier.and_then(|earlier| earlier.result);
        }
        self.end_with(record, entry, introduced, loose, None)
    }

    /// Ends a request without a start for a reason that is none of its own.
    #[expect(clippy::too_many_arguments, reason = "the facts of one request, which has no ticket yet or no longer")]
    fn end_for(
        &mut self,
        id: RequestId,
        entry: &Entry,
        introduced: &Introduced,
        loose: bool,
        admitted: Option<&Admitted>,
        kind: Option<String>,
        why: Why,
    ) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        let mut record = self.record(why.outcome, id, entry, introduced, &contract.commit.to_string());
        record.kind = kind;
        if let Some(admitted) = admitted {
            self.describe(id, admitted)?;
            fill_from_job(&mut record, admitted, &contract.index_blob);
        }
        record.reason = Some(why.reason);
        record.cancelled_by = why.by;
        self.end_with(record, entry, introduced, loose, None)
    }

    /// Ends a request by refusing it.
    pub(super) fn reject(
        &mut self,
        id: RequestId,
        entry: &Entry,
        introduced: &Introduced,
        loose: bool,
        rejection: Rejection,
    ) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        let mut record = self.record(Outcome::Rejected, id, entry, introduced, &contract.commit.to_string());
        record.kind.clone_from(&rejection.kind);
        record.index_blob = Some(contract.index_blob.clone());
        record.reason = Some(rejection.in_full());
        let unknown = rejection.kind.as_deref().filter(|_| rejection.reason == "unknown_kind");
        let text = summary::error_log(unknown, &rejection.faults);
        self.end_with(record, entry, introduced, loose, Some((text, rejection.faults)))
    }

    pub(super) fn end_with(
        &mut self,
        record: Record,
        entry: &Entry,
        introduced: &Introduced,
        loose: bool,
        refused: Option<(String, Vec<Diagnostic>)>,
    ) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        let (step, counts) = self.seal_unrun(&contract, record, entry, introduced, loose, refused, Vec::new())?;
        spool::sync(&self.state)?;
        self.append(&[step], &counts)
    }

    /// Seals the record of a request of which nothing was run; it is durable after [`spool::sync`].
    #[expect(clippy::too_many_arguments, reason = "the facts of one request, which has no ticket yet or no longer")]
    pub(super) fn seal_unrun(
        &mut self,
        contract: &Contract,
        mut record: Record,
        entry: &Entry,
        introduced: &Introduced,
        loose: bool,
        refused: Option<(String, Vec<Diagnostic>)>,
        requests: Vec<NewRequest>,
    ) -> Result<(Step, Vec<Count>), DispatchError> {
        let (id, now) = (record.id, self.clock.now());
        record.finished_at = Some(now);
        let place = self.choose_place(contract, id, entry, introduced)?;
        let mut before = self.beginning(now, entry, &record.commit);
        let (error_log, faults) = refused.unzip();
        before.extend(
            faults
                .into_iter()
                .flatten()
                .map(|fault| (now, LogEvent::Rejected { code: fault.code.to_owned(), message: fault.message })),
        );
        let story = Story {
            before,
            after: vec![(now, LogEvent::Recorded { outcome: record.outcome })],
            error_log,
            ..Story::default()
        };
        let parcel = Parcel { requests, ..Self::parcel(record, entry, &contract.config, place, loose) };
        self.seal(&Draft { parcel, story, attempt: 0, duration: None })
    }

    /// What stands before anything else in the log of a record.
    fn beginning(&self, at: jiff::Timestamp, entry: &Entry, commit: &str) -> Vec<(jiff::Timestamp, LogEvent)> {
        let claimed = self.claims_remotely().then(|| (at, LogEvent::Claimed { node: self.host.node.clone() }));
        std::iter::once((at, admitted_event(entry, commit))).chain(claimed).collect()
    }

    /// Seals a record here and now; it is durable after [`spool::sync`].
    pub(super) fn seal(&mut self, draft: &Draft) -> Result<(Step, Vec<Count>), DispatchError> {
        self.tell_end(&draft.parcel.record);
        let sealed = self.room.wait(|| draft.seal(&self.state))?;
        Ok(self.take_sealed(sealed))
    }

    /// Says how a request ended, to whoever looks now and to whoever asks what came of the pass.
    pub(super) fn tell_end(&mut self, record: &Record) {
        let ended = Ended {
            id: record.id,
            name: record.name.clone(),
            kind: record.kind.clone(),
            outcome: record.outcome,
            reason: record.reason.clone(),
            duration_ms: record.duration_ms,
        };
        tracing::info!(
            "{} {}{}",
            ended.name,
            ended.outcome,
            ended.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
        );
        self.summary.ended.push(ended);
    }

    /// Takes a sealed record for the next batch: the step that ends its request, which may be written once the spool is synced.
    pub(super) fn take_sealed(&mut self, sealed: Sealed) -> (Step, Vec<Count>) {
        let Sealed { whole, attempt, duration } = sealed;
        let record = &whole.parcel.record;
        self.queue.remove(record.id);
        let kind = record.kind.clone().unwrap_or_default();
        // Kinds that the router does not know come from anybody: they must not make new time series.
        let known = is_reserved(&kind)
            || self.contract.as_ref().is_some_and(|contract| contract.rules.kinds.contains_key(&kind));
        let counts = metrics::ended(if known { &kind } else { "" }, record.outcome.as_str(), duration);
        let event = Event::Exit {
            attempt,
            outcome: record.outcome,
            exit_code: record.exit_code,
            reason: record.reason.clone(),
            terminal: true,
            retry_at: None,
            log_sha256: record.log_sha256.clone(),
        };
        let step = Self::step(record.id, event);
        // Whoever waits for what became of this key, or for this end, may go on.
        self.look_again |= self.held.values().any(|held| matches!(held.by, HeldBy::Key | HeldBy::Ending));
        self.keep(whole);
        (step, counts)
    }

    /// Takes a sealed parcel for the next batch.
    pub(super) fn keep(&mut self, spool::Sealed { parcel, bytes }: spool::Sealed) {
        self.spooled_bytes.insert(parcel.record.id, bytes);
        self.batch_open.get_or_insert(self.clock.monotonic());
        self.ended.push(parcel);
    }

    pub(super) fn record(
        &self,
        outcome: Outcome,
        id: RequestId,
        entry: &Entry,
        introduced: &Introduced,
        commit: &str,
    ) -> Record {
        let folder = entry.folder.as_ref().map(|folder| format!("{folder}/")).unwrap_or_default();
        let mut record = Record::new(outcome, id, format!("{folder}{}", entry.stem));
        record.queued_at = Some(introduced.time);
        record.host.clone_from(&self.host.node);
        commit.clone_into(&mut record.commit);
        record.requested_by = Some(RequestedBy {
            author: introduced.author.clone(),
            committer: introduced.committer.clone(),
            commit: introduced.commit.clone(),
        });
        record.request_blob = entry.oid.to_string();
        record.host_file_sha256.clone_from(&self.host.sha256);
        record
    }

    pub(super) fn parcel(
        record: Record,
        entry: &Entry,
        config: &crate::config::RepoConfig,
        place: String,
        loose: bool,
    ) -> Parcel {
        Parcel {
            v: 1,
            record,
            path: entry.path.clone(),
            blob: entry.oid.to_string(),
            mode: plain_mode(entry.mode),
            archive: config.archive.clone(),
            output: config.output.clone(),
            place,
            extension: entry.extension.to_owned(),
            loose,
            reduced: false,
            requests: Vec::new(),
            declined: 0,
            refused: false,
        }
    }

    pub(super) fn hold(&mut self, id: RequestId, entry: &Entry, by: HeldBy, words: String) {
        if [&self.held, &self.held_before].iter().all(|known| known.get(&id).is_none_or(|held| held.words != words)) {
            if by.is_elsewhere() {
                tracing::info!("{} waits: {words}", entry.shown);
            } else {
                tracing::warn!("{} is held: {words}", entry.shown);
            }
        }
        self.held.insert(id, Held { id, path: entry.shown.clone(), by, words });
    }

    /// Holds a request that was queued: it gives its place up until the next look.
    pub(super) fn hold_queued(&mut self, id: RequestId, entry: &Entry, by: HeldBy, words: String) {
        self.hold(id, entry, by, words);
        let started = self.tickets.get(&id).is_some_and(|ticket| ticket.started.is_some());
        if started {
            // It keeps its place, and is tried again while others run; nobody waits for it alone.
            self.stalled.insert(id);
            let due = self.clock.monotonic().saturating_add(Duration::from_secs(1));
            self.queue.set(id, Place::Retrying { due });
        } else {
            self.queue.remove(id);
            self.tickets.remove(&id);
        }
    }

    pub(super) fn name_of(&self, id: RequestId) -> String {
        self.tickets.get(&id).map_or_else(|| id.to_string(), |ticket| ticket.entry.shown.clone())
    }
}

/// Why a request ends that was not started.
struct Why {
    outcome: Outcome,
    reason: String,
    /// The request that asked for it.
    by: Option<RequestId>,
}

/// What the end of an attempt leads to.
pub(super) enum End {
    /// Another attempt, or actions: the step that says so.
    GoesOn(Step),
    /// A record.
    Over(Box<Draft>),
}

/// A record that is to be sealed.
pub(super) struct Draft {
    parcel: Parcel,
    story: Story,
    attempt: u32,
    duration: Option<Duration>,
}

/// A record that lies in the spool, whole; it is durable after [`spool::sync`].
pub(super) struct Sealed {
    whole: spool::Sealed,
    attempt: u32,
    duration: Option<Duration>,
}

impl Draft {
    /// Of an attempt that ended before: how much it printed is not known any more.
    #[must_use]
    pub(super) fn uncounted(mut self) -> Self {
        self.parcel.record.output = None;
        self
    }

    /// Whose it is.
    pub(super) fn record(&self) -> &Record {
        &self.parcel.record
    }

    /// Writes it into the spool.
    ///
    /// # Errors
    /// [`SpoolError`]: the request has not ended then.
    pub(super) fn seal(&self, state: &StateDir) -> Result<Sealed, SpoolError> {
        let whole = spool::seal(state, &self.parcel, &self.story)?;
        Ok(Sealed { whole, attempt: self.attempt, duration: self.duration })
    }
}

/// Old repositories hold modes that git no longer writes; what is no link, folder or submodule is a file.
fn plain_mode(mode: u32) -> u32 {
    match mode {
        MODE_LINK | MODE_FOLDER | MODE_GITLINK => mode,
        _ if mode & 0o100 != 0 => MODE_EXECUTABLE,
        _ => MODE_FILE,
    }
}

fn may_try_again<'r>(
    delivery: Delivery,
    retry: Option<&'r Retry>,
    report: &Report,
    stopping: bool,
) -> Option<&'r Retry> {
    let retry = retry.filter(|_| delivery == Delivery::AtLeastOnce)?;
    let asked = report.outcome == Outcome::Failed
        && report
            .attempt
            .exit_code
            .and_then(|code| u8::try_from(code).ok())
            .is_some_and(|code| retry.on.contains(&code));
    // Ended by our own stop: the next dispatcher tries again.
    let stopped = stopping && report.attempt.reason.as_deref() == Some("shutdown");
    (asked || stopped).then_some(retry)
}

/// The pause after attempt `number` failed; `None` where it was the last one.
pub(super) fn pause_before(retry: &Retry, number: u32) -> Option<Duration> {
    let policy = Policy { first: retry.backoff, max: retry.max_backoff, attempts: retry.attempts };
    // A handler's author chose this pause to let something recover: no jitter below it.
    policy.pause_after(number, || 1.0)
}

pub(super) fn fill_from_job(record: &mut Record, admitted: &Admitted, index_blob: &str) {
    record.kind = Some(admitted.request.kind.clone());
    record.resource = admitted.locks.iter().cloned().collect();
    record.handler_blob.clone_from(&admitted.kind.handler_blob);
    record.schema_blob.clone_from(&admitted.kind.schema_blob);
    record.index_blob = Some(index_blob.to_owned());
    record.idempotency_key.clone_from(&admitted.request.idempotency_key);
    record.rerun_of = admitted.request.rerun_of.map(RequestId::explicit);
}

fn admitted_event(entry: &Entry, commit: &str) -> LogEvent {
    LogEvent::Admitted { path: entry.shown.clone(), commit: commit.to_owned(), blob: entry.oid.to_string() }
}

fn started_or(record: &Record, other: jiff::Timestamp) -> jiff::Timestamp {
    record.started_at.unwrap_or(other)
}
