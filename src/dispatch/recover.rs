//! After a restart: what the journal says was started, ended or built, taken up where it was left. Reads only the
//! journal, the spool and main; what cannot be known is recorded as `indeterminate`, never guessed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::act;
use super::finish::pause_before;
use super::intake::introduced_of;
use super::start::job_of;
use super::{Cancelling, DispatchError, Dispatcher, Hold, Started, Ticket};
use crate::admit::{self, Verdict};
use crate::contract::{self, ContractError};
use crate::event::Event;
use crate::inbox::{self, Entry};
use crate::job::{Delivery, Introduced, Publish};
use crate::journal::Row;
use crate::outcome::{ActionRun, Attempt, Outcome};
use crate::planted::{self, Bug};
use crate::publish::locked;
use crate::queue::{Order, Standing as Place};
use crate::record::log::LogEvent;
use crate::record::report::Report;
use crate::repo::{Oid, Open, TreeEntry};
use crate::spool::{self, Sealed, Story};
use crate::state::State;

impl Dispatcher {
    /// Takes up every request that is neither published nor withdrawn nor merely seen.
    pub(super) fn recover(&mut self, tip: Oid) -> Result<(), DispatchError> {
        self.settle_found(tip)?;
        let rows = locked(&self.journal).open_requests()?;
        for row in rows {
            if let Some(place) = &row.place {
                self.places.insert(place.to_lowercase());
            }
            match row.state.undisturbed().clone() {
                State::Running { attempt, commit, place } => self.recover_running(&row, attempt, &commit, &place)?,
                State::Acting { .. } => self.recover_acting(&row)?,
                State::Retrying { commit, place, due, .. } => self.recover_retrying(&row, &commit, &place, &due)?,
                State::Ended { outcome } | State::Built { outcome, .. } => self.recover_ended(&row, outcome)?,
                // What was claimed and not started is settled by what the remote says of the claim.
                State::Unknown
                | State::Seen
                | State::Claiming { .. }
                | State::Claimed { .. }
                | State::Cancelling { .. }
                | State::Published { .. }
                | State::Withdrawn => {}
            }
        }
        Ok(())
    }

    /// Who wanted what was started to end, where somebody did.
    pub(super) fn cancelling_of(&self, row: &Row) -> Result<Option<Cancelling>, DispatchError> {
        if !matches!(row.state, State::Cancelling { .. }) {
            return Ok(None);
        }
        let events = locked(&self.journal).events(row.id)?;
        Ok(events.into_iter().find_map(|(_, event)| match event {
            Event::Cancel { by, reason } => Some(Cancelling { by, reason }),
            _ => None,
        }))
    }

    /// Started, and nobody saw the end.
    fn recover_running(&mut self, row: &Row, attempt: u32, commit: &str, place: &str) -> Result<(), DispatchError> {
        tracing::warn!("{} was running when the dispatcher was ended", row.path);
        let ticket = self.readmit(row, commit, place)?;
        let mut attempts = self.attempts_of(row)?;
        let now = self.clock.now();
        if let Some(last) = attempts.last_mut() {
            // When it ended nobody has seen.
            last.reason = Some("crash: the dispatcher was ended while it ran".to_owned());
        }
        let Some(mut ticket) = ticket else {
            return self.end_without_ticket(row, place, attempt, attempts, Outcome::Indeterminate, Vec::new());
        };
        let kind = &ticket.admitted.kind.row;
        ticket.cancelling = self.cancelling_of(row)?;
        // What may be done twice is known not to be done again; of what may not nobody knows whether it was done.
        let is_cancelled = ticket.cancelling.is_some() && kind.delivery == Delivery::AtLeastOnce;
        let retry = kind.retry.as_ref().filter(|_| kind.delivery == Delivery::AtLeastOnce && !is_cancelled);
        let again = retry.and_then(|retry| pause_before(retry, attempt));
        let again = again.or_else(|| planted::is(Bug::StartedAgain).then_some(std::time::Duration::ZERO));
        ticket.attempts = attempts;
        let last = ticket.attempts.last().cloned();
        let order = Order { position: ticket.introduced.position, path: ticket.entry.shown.clone() };
        let keys = ticket.admitted.locks.clone();
        self.wait_for_leftovers(&keys)?;
        self.tickets.insert(row.id, ticket);
        if again.is_some() {
            // The crash itself was pause enough.
            let event = Event::Exit {
                attempt,
                outcome: Outcome::Indeterminate,
                exit_code: None,
                reason: last.and_then(|last| last.reason),
                terminal: false,
                retry_at: Some(crate::clock::utc_millis(now)),
                log_sha256: None,
            };
            self.append(&[Self::step(row.id, event)], &[])?;
            self.queue.insert(row.id, order, keys, Place::Retrying { due: self.clock.monotonic() });
            return Ok(());
        }
        let last = last.unwrap_or_else(|| unknown_attempt(attempt, now));
        let outcome = if is_cancelled { Outcome::Cancelled } else { Outcome::Indeterminate };
        let outcome = if planted::is(Bug::Guessed) { Outcome::Succeeded } else { outcome };
        let (run_as, layers) = self.known_at_start(row)?;
        let report = Report { layers, run_as, ..Report::unrun(last, outcome) };
        let words = self.words_of_cancelled(row.id, outcome);
        let (step, counts) = self.seal_with(row.id, &report, words)?;
        spool::sync(&self.state)?;
        self.append(&[step], &counts)
    }

    fn recover_retrying(&mut self, row: &Row, commit: &str, place: &str, due: &str) -> Result<(), DispatchError> {
        let attempts = self.attempts_of(row)?;
        let Some(mut ticket) = self.readmit(row, commit, place)? else {
            let number = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
            return self.end_without_ticket(row, place, number, attempts, Outcome::Failed, Vec::new());
        };
        ticket.attempts = attempts;
        if let Some(doubt) = self.doubt_of(row.id)
            && ticket.admitted.kind.row.delivery == Delivery::AtMostOnce
        {
            let number = u32::try_from(ticket.attempts.len()).unwrap_or(u32::MAX);
            let last = ticket.attempts.last().cloned().unwrap_or_else(|| unknown_attempt(number, self.clock.now()));
            self.tickets.insert(row.id, ticket);
            let report = Report::unrun(last, Outcome::Indeterminate);
            let (step, counts) = self.seal_with(row.id, &report, Some(doubt.as_str().to_owned()))?;
            spool::sync(&self.state)?;
            return self.append(&[step], &counts);
        }
        let order = Order { position: ticket.introduced.position, path: ticket.entry.shown.clone() };
        // The journal has a time of the wall clock, which may have been set back since: no pause is longer than the kind's.
        let left = due.parse::<Timestamp>().map(|due| due.duration_since(self.clock.now()));
        let left = left.ok().and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
        let most = ticket.admitted.kind.row.retry.as_ref().map_or(Duration::ZERO, |retry| retry.max_backoff);
        let due = self.clock.monotonic().saturating_add(left.min(most));
        self.queue.insert(row.id, order, ticket.admitted.locks.clone(), Place::Retrying { due });
        self.tickets.insert(row.id, ticket);
        Ok(())
    }

    /// The outcome is final: only publication is left.
    pub(super) fn recover_ended(&mut self, row: &Row, outcome: Outcome) -> Result<(), DispatchError> {
        if self.ended.iter().any(|parcel| parcel.record.id == row.id) {
            return Ok(());
        }
        let sealed = if let Some(parcel) = spool::load(&self.state, row.id) {
            Sealed { parcel, bytes: spool::bytes_below(&self.state.spool(row.id)) }
        } else {
            tracing::error!("the spool of {} is lost: its outcome is recorded without its output", row.id);
            self.parcel_without_spool(row, outcome)?
        };
        self.places.insert(sealed.parcel.place.to_lowercase());
        self.keep(sealed);
        Ok(())
    }

    /// The ticket of a request that was started at a commit; `None` where it cannot be had any more.
    pub(super) fn readmit(
        &mut self,
        row: &Row,
        commit: &str,
        place: &str,
    ) -> Result<Option<Box<Ticket>>, DispatchError> {
        let commit: Oid = commit.parse()?;
        if !self.repo.has(commit) {
            return Ok(None);
        }
        let contract = match contract::load(&self.repo, commit, &mut self.compiled) {
            Ok(contract) => Arc::new(contract),
            Err(ContractError::Faults(_)) => return Ok(None),
            Err(ContractError::Repo(error)) => return Err(error.into()),
        };
        let (entry, introduced, loose) = self.entry_of(row, commit, &contract.config)?;
        if !self.repo.has(entry.oid) {
            let kept = std::fs::read(self.state.spool(row.id).join("request")).unwrap_or_default();
            if self.repo.write_blob(&kept)? != entry.oid {
                return Ok(None);
            }
        }
        let Ok(bytes) = inbox::bytes(&self.repo, &entry)? else { return Ok(None) };
        let id = row.id.uuid();
        let Verdict::Ready(admitted) = admit::admit(&contract.rules, &self.host.file, &entry.shown, &bytes, || id)
        else {
            return Ok(None);
        };
        let job = Arc::new(job_of(row.id, &entry, &introduced, &admitted, &contract));
        Ok(Some(Box::new(Ticket {
            entry,
            introduced,
            request: bytes.into(),
            admitted: *admitted,
            loose,
            started: Some(Started { job, contract, place: place.to_owned() }),
            attempts: Vec::new(),
            misfires: 0,
            hold: Hold::default(),
            acting: None,
            cancel: None,
            cancelling: None,
        })))
    }

    /// Entry and introduction from the row: the commit that was admitted still has them, unless the file was never committed.
    fn entry_of(
        &self,
        row: &Row,
        commit: Oid,
        config: &crate::config::RepoConfig,
    ) -> Result<(Entry, Introduced, bool), DispatchError> {
        let oid: Oid = row.blob.parse()?;
        let found = self.repo.entry_at(commit, &row.path)?;
        let loose = found.as_ref().is_none_or(|found| found.oid != oid);
        let mode = found.map_or(crate::repo::MODE_FILE, |found| found.mode);
        let below = row.path.strip_prefix(&config.inbox).unwrap_or(&row.path).trim_start_matches('/');
        let (folder, name) = below.rsplit_once('/').map_or((None, below), |(folder, name)| (Some(folder), name));
        let item = TreeEntry { name: name.as_bytes().to_vec(), mode, oid };
        let entry = inbox::entry(&config.inbox, folder.map(str::as_bytes), &item);
        let open = [Open { path: entry.path.clone(), oid }];
        let introduced =
            self.repo.introduced(commit, &config.inbox, &config.archive, &open)?.into_iter().next().flatten();
        let introduced = introduced.map_or_else(
            || Introduced {
                commit: row.introduced.clone(),
                position: u64::MAX,
                time: row.queued_at.parse().unwrap_or_default(),
                author: String::new(),
                committer: String::new(),
            },
            |found| introduced_of(&found),
        );
        Ok((entry, introduced, loose))
    }

    /// Every start that the journal knows, with the end that it knows of it.
    pub(super) fn attempts_of(&self, row: &Row) -> Result<Vec<Attempt>, DispatchError> {
        let mut attempts: Vec<Attempt> = Vec::new();
        for (at, event) in locked(&self.journal).events(row.id)? {
            let at: Timestamp = at.parse().unwrap_or_default();
            match event {
                Event::Start { attempt, .. } => attempts.push(unknown_attempt(attempt, at)),
                Event::Passed { exit_code, .. } => {
                    if let Some(last) = attempts.last_mut() {
                        last.finished_at = Some(at);
                        last.exit_code = exit_code;
                    }
                }
                // Nobody saw its end; the step says when that was found out.
                Event::Exit { outcome: Outcome::Indeterminate, reason, .. } => {
                    if let Some(last) = attempts.last_mut().filter(|last| last.finished_at.is_none()) {
                        last.reason = reason;
                    }
                }
                Event::Exit { exit_code, reason, .. } => {
                    // An end after actions is not the handler's, which was seen before them.
                    if let Some(last) = attempts.last_mut().filter(|last| last.finished_at.is_none()) {
                        last.finished_at = Some(at);
                        last.exit_code = exit_code;
                        last.reason = reason;
                    }
                }
                _ => {}
            }
        }
        Ok(attempts)
    }

    /// The user and the layers of the last start, as far as they were known before it.
    fn known_at_start(&self, row: &Row) -> Result<(Option<String>, Vec<String>), DispatchError> {
        let events = locked(&self.journal).events(row.id)?;
        let last = events.into_iter().rev().find_map(|(_, event)| match event {
            Event::Start { run_as, layers, .. } => Some((run_as, layers)),
            _ => None,
        });
        Ok(last.unwrap_or_default())
    }

    /// How much of a request's outcome may be committed, as its start said.
    fn publish_of(&self, row: &Row) -> Result<Publish, DispatchError> {
        let events = locked(&self.journal).events(row.id)?;
        Ok(events
            .into_iter()
            .find_map(|(_, event)| match event {
                Event::Start { publish, .. } => Some(publish),
                _ => None,
            })
            .unwrap_or_default())
    }

    /// Ends a started request whose handler, grant or objects are not what they were.
    pub(super) fn end_without_ticket(
        &mut self,
        row: &Row,
        place: &str,
        number: u32,
        attempts: Vec<Attempt>,
        outcome: Outcome,
        then: Vec<ActionRun>,
    ) -> Result<(), DispatchError> {
        let mut parcel = self.bare_parcel(row, outcome, place)?;
        parcel.record = parcel.record.with_attempts(attempts);
        parcel.record.run_as = self.known_at_start(row)?.0;
        if let Some(last) = then.last() {
            parcel.record.reason = Some(act::reason_of(last));
            parcel.record = parcel.record.with_actions(then, self.clock.now());
        }
        parcel.record.reason.get_or_insert_with(|| "what it was started with is not there any more".to_owned());
        let now = self.clock.now();
        parcel.record.finished_at.get_or_insert(now);
        let after = vec![(now, LogEvent::Recorded { outcome })];
        let publish = self.publish_of(row)?;
        let report = spool::load_report(&self.state, row.id, number);
        let artifacts = report.map(|report| report.artifacts).unwrap_or_default();
        let story = Story { attempts: number, after, publish, artifacts, ..Story::default() };
        let sealed = self.room.wait(|| spool::seal(&self.state, &parcel, &story))?;
        let record = &sealed.parcel.record;
        spool::sync(&self.state)?;
        let event = Event::Exit {
            attempt: number,
            outcome,
            exit_code: None,
            reason: record.reason.clone(),
            terminal: true,
            retry_at: None,
            log_sha256: record.log_sha256.clone(),
        };
        self.append(&[Self::step(row.id, event)], &[])?;
        self.keep(sealed);
        Ok(())
    }

    fn parcel_without_spool(&mut self, row: &Row, outcome: Outcome) -> Result<Sealed, DispatchError> {
        let place = row.place.clone().unwrap_or_else(|| format!("recovered-{}", row.id.short()));
        let mut parcel = self.bare_parcel(row, outcome, &place)?;
        let attempts = self.attempts_of(row)?;
        parcel.record = parcel.record.with_attempts(attempts);
        parcel.record.finished_at.get_or_insert(self.clock.now());
        parcel.record.warnings.push("the spool was lost: output and artifacts are gone".to_owned());
        let after = vec![(self.clock.now(), LogEvent::Recorded { outcome })];
        let story = Story { after, ..Story::default() };
        Ok(self.room.wait(|| spool::seal(&self.state, &parcel, &story))?)
    }

    /// A parcel from the journal's row alone.
    fn bare_parcel(&mut self, row: &Row, outcome: Outcome, place: &str) -> Result<spool::Parcel, DispatchError> {
        let contract = Arc::clone(self.contract.as_ref().expect("recovery follows the contract"));
        let tip = self.tip.unwrap_or(contract.commit);
        let (entry, introduced, loose) = self.entry_of(row, tip, &contract.config)?;
        let mut record = self.record(outcome, row.id, &entry, &introduced, &contract.commit.to_string());
        record.kind.clone_from(&row.kind);
        Ok(Self::parcel(record, &entry, &contract.config, place.to_owned(), loose))
    }
}

pub(super) fn unknown_attempt(number: u32, started_at: Timestamp) -> Attempt {
    Attempt { number, started_at, finished_at: None, exit_code: None, signal: None, reason: None }
}
