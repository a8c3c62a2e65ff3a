//! Requests of the kinds `dispatch.…`: handled here, in process, before all others, and archived with a record like any.
//!
//! Owns which of them is carried out where, their refusals and records, and what a person's word does to a request whose end
//! is not known (`cancel` and `steering` have the other words). A record that is on main is never touched: the word
//! stands beside it. Whatever the word cannot apply to refuses the request that brought it, never the one that it names.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::intake::Met;
use super::{DispatchError, Dispatcher, HeldBy};
use crate::admit::{Rejection, Verdict};
use crate::archive;
use crate::command::{CANCEL, Command, Done, Effect, RESOLVE, Resolution, Resolve, Uncancellable, Unresolvable};
use crate::config::RepoConfig;
use crate::contract::Contract;
use crate::diagnostic::Diagnostic;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::job::Introduced;
use crate::journal::{Count, Entry as Step, Journal, JournalError};
use crate::outcome::Outcome;
use crate::pause::Pause;
use crate::publish::locked;
use crate::repo::{Oid, Repo};
use crate::request;
use crate::rerun;
use crate::spool::{self, NewRequest};
use crate::state::State;
use crate::yaml::{self, Limits};

/// Journal key prefix: what a person has said of a request that ended `indeterminate`.
const META_RESOLVED: &str = "resolved:";

/// The request that a word is about.
enum Target {
    /// In the inbox, unstarted as far as we know.
    Waiting(Box<Met>),
    /// It ended, and nobody knows how.
    Ended(Past),
}

/// Why a word cannot be taken.
pub(super) enum Refusal {
    /// It is no word on anything; the request that brought it is refused.
    Fault(Box<Diagnostic>),
    /// Not now.
    Wait(HeldBy, String),
}

/// What is left of a request that ended.
struct Past {
    /// Path below the inbox without ending.
    name: String,
    /// Object id of its file.
    blob: String,
}

/// What people have said of requests that ended `indeterminate`, by the journal of this host.
///
/// # Errors
/// The journal cannot be read.
pub fn resolutions(journal: &Journal) -> Result<Vec<Resolution>, JournalError> {
    let found = journal.meta_below(META_RESOLVED)?;
    Ok(found.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect())
}

/// Writes down what main has of such words and this journal has not.
///
/// # Errors
/// [`DispatchError`] where main or the journal cannot be read or written.
///
/// # Panics
/// Never: a resolution is plain data.
pub fn learn_resolutions(
    repo: &Repo,
    journal: &mut Journal,
    tip: Oid,
    config: &RepoConfig,
    state: &Path,
) -> Result<(), DispatchError> {
    for (id, resolution) in archive::resolutions(repo, tip, config, state)? {
        let key = format!("{META_RESOLVED}{id}");
        if journal.meta(&key)?.is_none() {
            journal.set_meta(&key, &serde_json::to_string(&resolution).expect("plain data"))?;
        }
    }
    Ok(())
}

/// A request of a reserved kind.
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) entry: Entry,
    pub(super) introduced: Introduced,
    pub(super) loose: bool,
    pub(super) bytes: Arc<[u8]>,
    /// Main may have more than what was read of it.
    pub(super) is_early: bool,
}

impl Dispatcher {
    /// Does what a request of a reserved kind asks.
    pub(super) fn obey(&mut self, asked: &Asked, command: &Command) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        let obeyed = match command {
            Command::Resolve(resolve) => self.resolve(asked, resolve, &contract)?,
            Command::Cancel(cancel) => self.cancel(asked, cancel, &contract)?,
            Command::Pause(pause) => self.pause(asked, pause, &contract)?,
            Command::Resume(resume) => Ok(self.resume(asked, resume, &contract)?),
        };
        match obeyed {
            Ok(()) => Ok(()),
            Err(Refusal::Wait(by, words)) => {
                self.hold(asked.id, &asked.entry, by, words);
                Ok(())
            }
            Err(Refusal::Fault(fault)) => {
                let reason = match command.kind() {
                    RESOLVE => Unresolvable::REASON,
                    CANCEL => Uncancellable::REASON,
                    _ => Pause::OVER_REASON,
                };
                let (kind, id) = (Some(command.kind().to_owned()), Some(asked.id.uuid()));
                let rejection = Rejection { reason, kind, id, faults: vec![*fault] };
                self.reject(asked.id, &asked.entry, &asked.introduced, asked.loose, rejection)
            }
        }
    }

    /// Seals the record of a request that asked something of the dispatcher itself.
    pub(super) fn seal_word(
        &mut self,
        asked: &Asked,
        contract: &Contract,
        outcome: Outcome,
        result: serde_json::Value,
        reason: String,
        requests: Vec<NewRequest>,
    ) -> Result<(Step, Vec<Count>), DispatchError> {
        let Asked { id, entry, introduced, loose, bytes, .. } = asked;
        let mut record = self.record(outcome, *id, entry, introduced, &contract.commit.to_string());
        record.kind = request::hints(&entry.shown, bytes).0;
        record.exit_code = Some(i32::from(outcome != Outcome::Succeeded));
        record.result = Some(result);
        record.reason = Some(reason);
        if let Some(resolution) = Resolution::of(&record) {
            // Before EXIT: the same request may say it again after a crash, and another may not.
            self.remember(&resolution)?;
        }
        self.seal_unrun(contract, record, entry, introduced, *loose, None, requests)
    }

    fn resolve(
        &mut self,
        asked: &Asked,
        resolve: &Resolve,
        contract: &Contract,
    ) -> Result<Result<(), Refusal>, DispatchError> {
        let target = match self.target_of(asked, resolve, contract)? {
            Ok(target) => target,
            Err(fault) => return Ok(Err(Refusal::Fault(Box::new(fault)))),
        };
        if matches!(target, Target::Waiting(_)) && self.is_claimed_by_another(resolve.id) {
            // So that nobody else can start or end it while we do.
            if let Err(words) = self.seize(resolve.id)? {
                let words = format!("the claim of {} cannot be taken: {words}", resolve.id);
                return Ok(Err(Refusal::Wait(HeldBy::Claim, words)));
            }
        }
        let mut steps: Vec<(Step, Vec<Count>)> = Vec::new();
        let mut requests = Vec::new();
        let (done, rerun) = match (target, resolve.word.outcome()) {
            (Target::Waiting(other), Some(outcome)) => {
                steps.push(self.end_by_word(contract, &other, outcome, asked.id)?);
                (Done::Ended, None)
            }
            (Target::Waiting(_), None) => {
                self.release(resolve.id)?;
                // It was held by what was known before.
                self.look_again |= self.claims_remotely();
                (Done::Released, None)
            }
            (Target::Ended(_), Some(_)) => (Done::Settled, None),
            (Target::Ended(past), None) => match self.repeat(&past, resolve.id, asked, contract)? {
                Ok((id, request)) => {
                    requests.push(request);
                    (Done::Repeated, Some(id))
                }
                Err(fault) => return Ok(Err(Refusal::Fault(Box::new(fault)))),
            },
        };
        let effect = Effect { asked: resolve.clone(), done, rerun };
        let result = serde_json::to_value(effect).expect("plain data");
        let words = words_of(resolve, done, rerun);
        steps.push(self.seal_word(asked, contract, Outcome::Succeeded, result, words, requests)?);
        spool::sync(&self.state)?;
        let (steps, counts): (Vec<Step>, Vec<Vec<Count>>) = steps.into_iter().unzip();
        self.append(&steps, &counts.concat())?;
        Ok(Ok(()))
    }

    /// The request that is meant, or why a word cannot apply to it.
    fn target_of(
        &mut self,
        asked: &Asked,
        resolve: &Resolve,
        contract: &Contract,
    ) -> Result<Result<Target, Diagnostic>, DispatchError> {
        let id = resolve.id;
        let tip = self.tip.unwrap_or(contract.commit);
        let refuse = |why: &Unresolvable| {
            let (words, help) = why.words(id);
            Ok(Err(fault_at(asked, Unresolvable::CODE, "/spec/id", words).help(help)))
        };
        let row = locked(&self.journal).get(id)?;
        let known = row.as_ref().and_then(|row| row.state.outcome());
        if let Some(State::Running { .. } | State::Acting { .. } | State::Retrying { .. }) =
            row.as_ref().map(|row| row.state.undisturbed())
        {
            return refuse(&Unresolvable::Started);
        }
        let waiting = if known.is_none() { self.meet_all(tip, contract)? } else { Vec::new() };
        if let Some(other) = waiting.into_iter().find(|other| other.id == id && id != asked.id) {
            if self.is_in_doubt(&other) {
                return Ok(Ok(Target::Waiting(Box::new(other))));
            }
            return refuse(&Unresolvable::Waiting(other.entry.shown));
        }
        let found = archive::find(&self.repo, tip, &contract.config, self.state.root(), id)?;
        let recorded = found.map(|(_, record)| record).or_else(|| spool::load(&self.state, id).map(|kept| kept.record));
        let outcome = known.or(recorded.as_ref().map(|record| record.outcome));
        let Some(outcome) = outcome else {
            return refuse(&Unresolvable::Unknown);
        };
        if outcome != Outcome::Indeterminate {
            return refuse(&Unresolvable::Known(outcome));
        }
        if let Some(said) = self.resolution_of(id, tip, contract)?.filter(|said| said.by != asked.id) {
            return refuse(&Unresolvable::Settled(said.words()));
        }
        let past = match (recorded, row) {
            (Some(record), _) => Past { name: record.name, blob: record.request_blob },
            (None, Some(row)) => {
                let below = row.path.strip_prefix(&contract.config.inbox).unwrap_or(&row.path).trim_start_matches('/');
                let name = below.rsplit_once('.').map_or(below, |(name, _)| name);
                Past { name: name.to_owned(), blob: row.blob }
            }
            (None, None) => unreachable!("its outcome is known from one of them"),
        };
        Ok(Ok(Target::Ended(past)))
    }

    /// Ends a request of the inbox with the outcome that a person has found.
    fn end_by_word(
        &mut self,
        contract: &Contract,
        other: &Met,
        outcome: Outcome,
        by: RequestId,
    ) -> Result<(Step, Vec<Count>), DispatchError> {
        let Met { id, entry, introduced, bytes, verdict, loose, .. } = other;
        self.queue.remove(*id);
        self.tickets.remove(id);
        let mut record = self.record(outcome, *id, entry, introduced, &contract.commit.to_string());
        if let Verdict::Ready(admitted) = verdict {
            self.describe(*id, admitted)?;
            super::finish::fill_from_job(&mut record, admitted, &contract.index_blob);
        } else {
            record.kind = request::hints(&entry.shown, bytes).0;
        }
        record.exit_code = (outcome == Outcome::Succeeded).then_some(0);
        record.reason = Some("resolved".to_owned());
        record.resolved_by = Some(by);
        self.seal_unrun(contract, record, entry, introduced, *loose, None, Vec::new())
    }

    /// The request that does it again, or why there can be none.
    fn repeat(
        &self,
        past: &Past,
        of: RequestId,
        asked: &Asked,
        contract: &Contract,
    ) -> Result<Result<(RequestId, NewRequest), Diagnostic>, DispatchError> {
        let fault = |message: String| {
            let fault = fault_at(asked, "E0211", "/spec/as", message);
            Ok(Err(fault.help("say what it came to with `succeeded` or `failed`, and merge a new request")))
        };
        let Some(bytes) = self.bytes_of(past, of)? else {
            return fault(format!("the text of {of} is not there any more"));
        };
        match request::parse(&past.name, &bytes) {
            Err(_) => return fault(format!("{of} is no request that could be run now")),
            Ok(envelope) if envelope.request.expires.is_some_and(|end| end <= self.clock.now()) => {
                return fault(format!("`expires` of {of} has passed"));
            }
            Ok(_) => {}
        }
        let id = Uuid::now_v7();
        let text = rerun::text(&bytes, id, of.uuid()).and_then(|text| String::from_utf8(text).ok());
        let Some(text) = text else { return fault(format!("the text of {of} cannot be repeated")) };
        let (folder, stem) = match past.name.rsplit_once('/') {
            Some((folder, stem)) => (format!("{}/{folder}", contract.config.inbox), stem),
            None => (contract.config.inbox.clone(), past.name.as_str()),
        };
        Ok(Ok((RequestId::explicit(id), NewRequest { folder, stem: rerun::stem(stem), text })))
    }

    /// The bytes of a request that ended: from main's objects, else as the spool has kept them.
    fn bytes_of(&self, past: &Past, id: RequestId) -> Result<Option<Vec<u8>>, DispatchError> {
        let blob: Oid = past.blob.parse()?;
        if !self.repo.has(blob) {
            let kept = std::fs::read(self.state.spool(id).join("request")).unwrap_or_default();
            return Ok((self.repo.write_blob(&kept)? == blob).then_some(kept));
        }
        Ok(self.repo.blob(blob, Limits::REQUEST.bytes_max as u64)?.1)
    }

    /// What was said of a request, by this journal or by main.
    pub(super) fn resolution_of(
        &mut self,
        id: RequestId,
        tip: Oid,
        contract: &Contract,
    ) -> Result<Option<Resolution>, DispatchError> {
        if let Some(known) = self.remembered(id)? {
            return Ok(Some(known));
        }
        let found = archive::resolutions(&self.repo, tip, &contract.config, self.state.root())?.remove(&id);
        if let Some(resolution) = &found {
            // Said in a time that this journal knows nothing of.
            self.remember(resolution)?;
        }
        Ok(found)
    }

    /// What was said of a request, by this journal alone.
    pub(super) fn remembered(&self, id: RequestId) -> Result<Option<Resolution>, DispatchError> {
        let text = locked(&self.journal).meta(&format!("{META_RESOLVED}{id}"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(super) fn remember(&mut self, resolution: &Resolution) -> Result<(), DispatchError> {
        let text = serde_json::to_string(resolution).expect("plain data");
        locked(&self.journal).set_meta(&format!("{META_RESOLVED}{}", resolution.id), &text)?;
        Ok(())
    }
}

/// A fault of the request that brought the word, at its place.
pub(super) fn fault_at(asked: &Asked, code: &'static str, pointer: &str, message: String) -> Diagnostic {
    match yaml::read(&asked.entry.shown, &asked.bytes, Limits::REQUEST) {
        Ok(document) => document.fault_at_value(code, pointer, message),
        Err(_) => Diagnostic::new(code, &asked.entry.shown, message),
    }
}

/// What came of it, for people.
fn words_of(asked: &Resolve, done: Done, rerun: Option<RequestId>) -> String {
    let id = asked.id;
    match (done, rerun) {
        (Done::Settled, _) => format!("{id} is settled as {}", asked.word.as_str()),
        (Done::Ended, _) => format!("{id} was ended as {}, without a start", asked.word.as_str()),
        (Done::Released, _) => format!("{id} may start"),
        (Done::Repeated, Some(again)) => format!("{id} is run again as {again}"),
        (Done::Repeated, None) => format!("{id} is run again"),
    }
}
