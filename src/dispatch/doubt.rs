//! Requests that another dispatcher, or a newer copy of this very state folder, may have started: who else records on
//! main, which requests that puts in doubt, and what a person has said of them.
//!
//! Owns the marks in the journal. One that `adopt` made ends its request as `indeterminate` without a start; one that a
//! person lifted lets it start. Nothing here is guessed: where main cannot tell, the request is in doubt.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::claims::LostClaim;
use super::intake::Met;
use super::{DispatchError, Dispatcher, Halt, HeldBy};
use crate::admit::{self, Rejection, Verdict};
use crate::archive;
use crate::config::RepoConfig;
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::event::Event;
use crate::host_file::Claims;
use crate::id::RequestId;
use crate::inbox::{self, Entry};
use crate::job::Delivery;
use crate::journal::{Entry as Step, Journal, JournalError};
use crate::planted::{self, Bug};
use crate::policy::HostFile;
use crate::publish::locked;
use crate::record::commit::{TRAILER_STATE, records_of, trailers};
use crate::repo::{Oid, Open, Repo};
use crate::request;
use crate::route::Index;
use crate::state::{self, State};

/// What is said behind each thing that a person has to accept.
pub const LOOK_THEN_ADOPT: &str = "look at what happened, then `dispatch adopt` goes on from there";
/// Journal key prefix: a foreign state folder that was adopted; its value is the tip up to which its records were.
pub const META_ADOPTED: &str = "adopted:";
/// Journal key: the tip down to which main has been searched for other dispatchers. Only a clean search moves it, never
/// our own publishing: a stranger's commit may lie between our look and our push.
const META_SCANNED: &str = "scanned";
/// The same with `claims: remote`, where only records of this very state folder are looked for.
const META_SCANNED_OWN: &str = "scanned_own";
/// Journal key: a commit on main that says it was written by this state folder, which knows nothing of it.
pub const META_RESTORED: &str = "restored";
/// Journal key prefix: a request that may have been started elsewhere, and what a person said of it.
pub const META_DOUBT: &str = "doubt:";
/// Journal key: what lay uncommitted in the work tree before this time may have been started elsewhere.
pub const META_DOUBT_LOOSE: &str = "doubt_loose";
/// A journal that has seen nothing looks this many commits back for other dispatchers.
const FOREIGN_COMMITS: usize = 1000;
/// How far back main is searched for the record of something that was started: past any outage, and not without end.
const RECORD_COMMITS: usize = 100_000;

/// Journal key: the tip down to which main has been searched for what there is to find.
pub fn scanned_key(claims: Claims) -> &'static str {
    match claims {
        Claims::Local => META_SCANNED,
        Claims::Remote => META_SCANNED_OWN,
    }
}

/// What is thought of a request that may have been started elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Doubt {
    /// By a dispatcher whose state folder is not at hand.
    #[serde(rename = "state_lost")]
    Lost,
    /// By this one, in a time that the state folder knows nothing of.
    #[serde(rename = "state_restored")]
    Restored,
    /// By this one, before main was written anew without the record of it.
    #[serde(rename = "main_rewritten")]
    Rewritten,
    /// A person says that it may start.
    #[serde(rename = "released")]
    Released,
}

impl Doubt {
    /// The word in the journal and, where it ends a request, in its record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "state_lost",
            Self::Restored => "state_restored",
            Self::Rewritten => "main_rewritten",
            Self::Released => "released",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Lost, Self::Restored, Self::Rewritten, Self::Released].into_iter().find(|doubt| doubt.as_str() == text)
    }
}

/// Who else, by what main says.
#[derive(Debug, Default)]
pub struct Others {
    /// State folders that nobody has adopted, each with its youngest commit.
    pub foreign: BTreeMap<String, Oid>,
    /// The youngest commit of ours that we know nothing of.
    pub restored: Option<Oid>,
}

/// A request in doubt.
#[derive(Clone, Debug, Serialize)]
pub struct Doubtful {
    /// Its id.
    pub id: RequestId,
    /// Its path.
    pub path: String,
    /// Its kind, as far as it could be read.
    pub kind: Option<String>,
    /// Who may have started it.
    pub doubt: Doubt,
}

/// Searches the mainline from `tip` down to `since` for records that are not this journal's.
///
/// # Errors
/// [`DispatchError`] where history or the journal cannot be read.
pub fn others(
    repo: &Repo,
    journal: &Journal,
    tip: Oid,
    since: Option<Oid>,
    claims: Claims,
) -> Result<Others, DispatchError> {
    let own = journal.meta(super::META_STATE_ID)?;
    let mut told: Vec<(Oid, String, Vec<RequestId>)> = Vec::new();
    let since = match since {
        Some(since) if repo.is_ancestor(since, tip)? => Some(since),
        _ => None,
    };
    // However long nobody has looked: what came since then is searched whole.
    let most = if since.is_some() { RECORD_COMMITS } else { FOREIGN_COMMITS };
    repo.walk_messages(tip, most, |commit, message| {
        if since == Some(commit) {
            return false;
        }
        for state in trailers(message, TRAILER_STATE).filter(|state| !state.is_empty()) {
            let ids = records_of(message).into_iter().map(|(id, _)| id).collect();
            told.push((commit, state.to_owned(), ids));
        }
        true
    })?;
    let mut others = Others::default();
    for (commit, state, ids) in told {
        if own.as_ref() == Some(&state) {
            for id in ids {
                let row = journal.get(id)?;
                let known = row.is_some_and(|row| matches!(row.state, State::Built { .. } | State::Published { .. }));
                if !known {
                    others.restored.get_or_insert(commit);
                }
            }
        } else if claims == Claims::Remote {
            // Several hosts record in turn, and what each of them may have started is said by its claims.
        } else if !others.foreign.contains_key(&state)
            && !is_adopted(repo, journal, &state, commit)?
            && !planted::is(Bug::StrangerIgnored)
        {
            others.foreign.insert(state, commit);
        }
    }
    Ok(others)
}

/// Adopting a dispatcher that is gone says nothing of what it records afterwards: then it is not gone.
fn is_adopted(repo: &Repo, journal: &Journal, state: &str, commit: Oid) -> Result<bool, DispatchError> {
    let Some(until) = journal.meta(&format!("{META_ADOPTED}{state}"))? else { return Ok(false) };
    // Earlier versions wrote no commit, and one that was rewritten away says nothing any more.
    let until: Option<Oid> = until.parse().ok().filter(|until| repo.has(*until));
    Ok(match until {
        Some(until) => repo.is_ancestor(commit, until)?,
        None => true,
    })
}

/// The at-most-once requests that somebody else may have started, as far as main and this journal can tell: those of the
/// inbox at `tip` that were not started here and, where the state folder is an older copy, those that wait for their next
/// start or action.
///
/// # Errors
/// [`DispatchError`] where objects or the journal cannot be read.
pub fn doubtful(
    repo: &Repo,
    journal: &Journal,
    host: &HostFile,
    tip: Oid,
    now: Timestamp,
    doubt: Doubt,
) -> Result<Vec<Doubtful>, DispatchError> {
    let (contract, config) = rules_of(repo, tip)?;
    let index = contract.as_ref().map(|contract| &contract.rules.index);
    let mut found = going_on(repo, journal, index, doubt)?;
    for (id, entry, returned) in entries(repo, tip, &config)? {
        let row = journal.get(id)?;
        if row.is_some_and(|row| !row.state.is_pending() && row.state != State::Withdrawn) {
            continue;
        }
        let (kind, in_doubt) = match (inbox::bytes(repo, &entry)?, &contract) {
            (Err(_), _) => continue,
            (Ok(bytes), Some(contract)) => {
                let verdict = admit::admit(&contract.rules, host, &entry.shown, &bytes, || id.uuid());
                (request::hints(&entry.shown, &bytes).0, may_have_started(&verdict, index, now))
            }
            // Nothing can be judged now, and earlier something could perhaps.
            (Ok(bytes), None) => (request::hints(&entry.shown, &bytes).0, request::parse(&entry.shown, &bytes).is_ok()),
        };
        if in_doubt && !returned {
            found.push(Doubtful { id, path: entry.shown, kind, doubt });
        }
    }
    Ok(found)
}

/// The same with `claims: remote`, where exactly that may have been started which is claimed: those of the inbox whose claim
/// the journal knows nothing of.
///
/// # Errors
/// As [`doubtful`].
pub fn doubtful_claims(
    repo: &Repo,
    journal: &Journal,
    tip: Oid,
    lost: &[LostClaim],
    own: Uuid,
) -> Result<Vec<Doubtful>, DispatchError> {
    let (contract, config) = rules_of(repo, tip)?;
    let index = contract.as_ref().map(|contract| &contract.rules.index);
    let restored = lost.iter().any(|claim| claim.state == own);
    let mut found = if restored { going_on(repo, journal, index, Doubt::Restored)? } else { Vec::new() };
    for (id, entry, _) in entries(repo, tip, &config)? {
        let Some(claim) = lost.iter().find(|claim| claim.id == id) else { continue };
        let kind = inbox::bytes(repo, &entry)?.ok().and_then(|bytes| request::hints(&entry.shown, &bytes).0);
        if !is_repeatable(kind.as_deref(), index) {
            let doubt = if claim.state == own { Doubt::Restored } else { Doubt::Lost };
            found.push(Doubtful { id, path: entry.shown, kind, doubt });
        }
    }
    Ok(found)
}

/// The at-most-once requests of the inbox that this journal has run and whose records went with the commits that main has lost.
/// Where the commit that introduced one was written anew too, it has another id now: it is known by path and blob.
///
/// # Errors
/// As [`doubtful`].
pub fn doubtful_of_rewritten(repo: &Repo, journal: &Journal, tip: Oid) -> Result<Vec<Doubtful>, DispatchError> {
    let (contract, config) = rules_of(repo, tip)?;
    let index = contract.as_ref().map(|contract| &contract.rules.index);
    let mut found = Vec::new();
    for (id, entry, _) in entries(repo, tip, &config)? {
        if journal.get(id)?.is_some_and(|row| row.state != State::Withdrawn) {
            // Known by its id: the record that was lost is published again.
            continue;
        }
        let mut lost = false;
        for row in journal.published_from(&entry.shown, &entry.oid.to_string())? {
            let (mut started, mut stands) = (false, false);
            for (_, event) in journal.events(row.id)? {
                match event {
                    Event::Start { .. } => started = true,
                    Event::Built { commit, .. } => stands = stands || repo.is_ancestor(commit.parse()?, tip)?,
                    _ => {}
                }
            }
            lost = lost || started && !stands;
        }
        let kind = inbox::bytes(repo, &entry)?.ok().and_then(|bytes| request::hints(&entry.shown, &bytes).0);
        if lost && !is_repeatable(kind.as_deref(), index) {
            found.push(Doubtful { id, path: entry.shown, kind, doubt: Doubt::Rewritten });
        }
    }
    Ok(found)
}

/// What one commit says of kinds, where it can be obeyed, and its folders.
fn rules_of(repo: &Repo, tip: Oid) -> Result<(Option<Contract>, RepoConfig), DispatchError> {
    match contract::load(repo, tip, &mut Compiled::default()) {
        Ok(contract) => {
            let config = contract.config.clone();
            Ok((Some(contract), config))
        }
        Err(ContractError::Faults(_)) => {
            Ok((None, contract::load_config(repo, tip).map(|(config, _)| config).unwrap_or_default()))
        }
        Err(ContractError::Repo(error)) => Err(error.into()),
    }
}

/// What was started here and waits for its next start, or in an older copy for its next action: the newer copy may have
/// gone on with it.
fn going_on(
    repo: &Repo,
    journal: &Journal,
    index: Option<&Index>,
    doubt: Doubt,
) -> Result<Vec<Doubtful>, DispatchError> {
    let mut found = Vec::new();
    for row in journal.open_in(&["retrying", "acting"])? {
        let goes_on = match row.state {
            State::Retrying { .. } => true,
            State::Acting { .. } => doubt == Doubt::Restored,
            _ => false,
        };
        let kind = row.kind.clone().or_else(|| kind_of(repo, &row.path, &row.blob));
        if goes_on && !is_repeatable(kind.as_deref(), index) {
            found.push(Doubtful { id: row.id, path: row.path, kind, doubt });
        }
    }
    Ok(found)
}

/// What lies in the inbox, with the id that each has and whether it came back from the archive.
fn entries(repo: &Repo, tip: Oid, config: &RepoConfig) -> Result<Vec<(RequestId, Entry, bool)>, DispatchError> {
    let entries = inbox::read(repo, tip, config)?.entries;
    let open: Vec<Open> = entries.iter().map(|entry| Open { path: entry.path.clone(), oid: entry.oid }).collect();
    let introduced = repo.introduced(tip, &config.inbox, &config.archive, &open)?;
    let mut found = Vec::new();
    for (entry, introduced) in entries.into_iter().zip(introduced) {
        let Some(introduced) = introduced else { continue };
        let bytes = inbox::bytes(repo, &entry)?;
        let explicit = bytes.as_ref().ok().and_then(|bytes| request::hints(&entry.shown, bytes).1);
        let derived = RequestId::derived(&introduced.commit.to_string(), &entry.shown, &entry.oid.to_string());
        found.push((explicit.map_or(derived, RequestId::explicit), entry, introduced.returned));
    }
    Ok(found)
}

fn kind_of(repo: &Repo, path: &str, blob: &str) -> Option<String> {
    let bytes = repo.blob(blob.parse().ok()?, crate::yaml::Limits::REQUEST.bytes_max as u64).ok()?.1?;
    request::hints(path, &bytes).0
}

/// Whether somebody with the same main may have started a request on which this is our verdict. A refusal that another
/// commit or another host file can give proves nothing.
pub(super) fn may_have_started(verdict: &Verdict, index: Option<&Index>, now: Timestamp) -> bool {
    const NEVER_RUN: [&str; 4] = ["invalid_entry", "invalid_request", "duplicate_id", "returned"];
    match verdict {
        Verdict::Ready(admitted) => {
            let due = admitted.request.not_before.is_none_or(|start| start <= now);
            due && admitted.kind.row.delivery == Delivery::AtMostOnce
        }
        Verdict::Command(_) => false,
        Verdict::Held { kind, .. } => !is_repeatable(Some(kind), index),
        Verdict::Rejected(Rejection { reason, kind, .. }) => {
            !NEVER_RUN.contains(reason) && !is_repeatable(kind.as_deref(), index)
        }
    }
}

fn is_repeatable(kind: Option<&str>, index: Option<&Index>) -> bool {
    let row = kind.zip(index).and_then(|(kind, index)| index.row(kind));
    row.is_some_and(|row| row.delivery == Delivery::AtLeastOnce)
}

/// The marks that the journal holds.
pub(super) fn marks(journal: &Journal) -> Result<BTreeMap<RequestId, Doubt>, DispatchError> {
    let marks = journal.meta_below(META_DOUBT)?;
    Ok(marks.iter().filter_map(|(id, word)| Some((id.parse().ok()?, Doubt::parse(word)?))).collect())
}

/// Whether a request is marked as one that somebody else may have started.
///
/// # Errors
/// The journal cannot be read.
pub fn is_marked(journal: &Journal, id: RequestId) -> Result<bool, JournalError> {
    let mark = journal.meta(&format!("{META_DOUBT}{id}"))?;
    Ok(mark.and_then(|word| Doubt::parse(&word)).is_some_and(|doubt| doubt != Doubt::Released))
}

/// Before when what lay uncommitted in the work tree is in doubt, and why.
pub(super) fn loose_mark(journal: &Journal) -> Result<Option<(Doubt, Timestamp)>, DispatchError> {
    let text = journal.meta(META_DOUBT_LOOSE)?;
    let parts = text.as_deref().and_then(|text| text.split_once(' '));
    Ok(parts.and_then(|(word, time)| Some((Doubt::parse(word)?, time.parse().ok()?))))
}

/// Writes down what `adopt` has found out.
///
/// # Errors
/// The journal cannot be written.
pub fn mark(journal: &mut Journal, found: &[Doubtful]) -> Result<(), JournalError> {
    found.iter().try_for_each(|found| journal.set_meta(&format!("{META_DOUBT}{}", found.id), found.doubt.as_str()))
}

/// The same for what lies uncommitted in the work tree and was not changed since.
///
/// # Errors
/// The journal cannot be written.
pub fn mark_loose(journal: &mut Journal, doubt: Doubt, now: Timestamp) -> Result<(), JournalError> {
    match doubt {
        Doubt::Released => journal.drop_meta(META_DOUBT_LOOSE),
        Doubt::Lost | Doubt::Restored | Doubt::Rewritten => {
            journal.set_meta(META_DOUBT_LOOSE, &format!("{} {now}", doubt.as_str()))
        }
    }
}

/// Requests that an `adopt` before this one has put in doubt, and that no pass has ended since.
///
/// # Errors
/// The journal cannot be read.
pub fn still_marked(journal: &Journal) -> Result<Vec<Doubtful>, DispatchError> {
    let mut found = Vec::new();
    for (id, doubt) in marks(journal)? {
        let row = journal.get(id)?;
        let open = row.as_ref().is_none_or(|row| row.state.outcome().is_none());
        if open && doubt != Doubt::Released {
            let (path, kind) = row.map_or_else(Default::default, |row| (row.path, row.kind));
            found.push(Doubtful { id, path, kind, doubt });
        }
    }
    Ok(found)
}

impl Dispatcher {
    /// Keeps at-most-once work where main has records of others, or records of ours that this journal knows nothing of.
    pub(super) fn look_for_others(&mut self, tip: Oid, scanned: Option<Oid>) -> Result<(), DispatchError> {
        let claims = self.host.file.claims;
        let mut journal = locked(&self.journal);
        let others = others(&self.repo, &journal, tip, scanned, claims)?;
        if let Some(commit) = others.restored
            && journal.meta(META_RESTORED)?.is_none()
        {
            // Stays until somebody has looked, whatever becomes of that commit's requests.
            journal.set_meta(META_RESTORED, &commit.to_string())?;
            let released: Vec<RequestId> =
                marks(&journal)?.into_iter().filter(|(_, doubt)| *doubt == Doubt::Released).map(|(id, _)| id).collect();
            for id in released {
                // It may have been started since it was released.
                journal.drop_meta(&format!("{META_DOUBT}{id}"))?;
                self.doubts.remove(&id);
            }
        }
        if let Some(commit) = journal.meta(META_RESTORED)? {
            drop(journal);
            self.alarm(&format!(
                "main has records of this state folder that it knows nothing of (commit {commit}): it is an older copy, or \
                 used twice; at-most-once requests wait"
            ));
            self.summary.restored = Some(commit);
            self.halt = Some(Halt::Restored);
            return Ok(());
        }
        if let Some(state) = others.foreign.into_keys().next() {
            drop(journal);
            self.alarm(&format!(
                "another dispatcher (state {state}) records in this repository, or this one did before its state folder was lost; \
                 at-most-once requests wait"
            ));
            self.summary.foreign = Some(state);
            self.halt = Some(Halt::Foreign);
            return Ok(());
        }
        self.halt = None;
        if scanned != Some(tip) {
            journal.set_meta(scanned_key(claims), &tip.to_string())?;
        }
        Ok(())
    }

    /// Something that a person has to look at before `dispatch adopt`: said once, and not at every look.
    pub(super) fn alarm(&mut self, words: &str) {
        if self.alarm.as_deref() == Some(words) {
            return tracing::debug!("{words}");
        }
        tracing::error!("{words}");
        // A single pass says it at its end.
        if self.interval.is_some() {
            tracing::error!("{LOOK_THEN_ADOPT}");
        }
        self.alarm = Some(words.to_owned());
    }

    /// What waits for `dispatch adopt`, in words.
    pub(super) fn to_adopt(&self) -> Option<String> {
        let halted = self.halt.is_some() || self.outvoted.is_some() || self.has_namesake();
        self.alarm.clone().filter(|_| halted)
    }

    /// Why nothing that somebody else may have started is started here, until somebody has looked.
    pub(super) fn doubts_starts(&self) -> Option<(HeldBy, &'static str)> {
        match self.halt {
            Some(Halt::Foreign) => Some((HeldBy::Foreign, "another dispatcher records in this repository")),
            Some(Halt::Restored) => {
                Some((HeldBy::Restored, "the state folder is older than main: it may have been started since"))
            }
            Some(Halt::Rewritten) | None => None,
        }
    }

    /// The same for one request, unless a person has said that it may start.
    pub(super) fn doubts_start_of(&self, id: RequestId) -> Option<(HeldBy, &'static str)> {
        self.doubts_starts().filter(|_| self.doubts.get(&id) != Some(&Doubt::Released))
    }

    /// The mark that ends a request without a start.
    pub(super) fn doubt_of(&self, id: RequestId) -> Option<Doubt> {
        self.doubts.get(&id).copied().filter(|doubt| *doubt != Doubt::Released)
    }

    /// The same for one that was met, which may never have been committed.
    pub(super) fn doubt_of_met(&self, met: &Met) -> Option<Doubt> {
        let marked = self.doubts.get(&met.id).copied();
        let loose = self.doubt_loose.filter(|(_, until)| {
            let index = self.contract.as_ref().map(|contract| &contract.rules.index);
            met.loose && met.introduced.time <= *until && may_have_started(&met.verdict, index, self.clock.now())
        });
        marked.or(loose.map(|(doubt, _)| doubt)).filter(|doubt| *doubt != Doubt::Released)
    }

    /// Whether a request of the inbox is kept from starting because somebody else may have started it.
    pub(super) fn is_in_doubt(&self, met: &Met) -> bool {
        let index = self.contract.as_ref().map(|contract| &contract.rules.index);
        self.doubt_of_met(met).is_some()
            || self.is_claimed_by_another(met.id)
            || self.doubts_start_of(met.id).is_some() && may_have_started(&met.verdict, index, self.clock.now())
    }

    /// A person says that it may start.
    pub(super) fn release(&mut self, id: RequestId) -> Result<(), DispatchError> {
        locked(&self.journal).set_meta(&format!("{META_DOUBT}{id}"), Doubt::Released.as_str())?;
        self.doubts.insert(id, Doubt::Released);
        Ok(())
    }

    /// What was started here, by this journal, and has its record on main already: a newer copy of the journal wrote it, or
    /// somebody else. It is settled by that.
    pub(super) fn settle_found(&mut self, tip: Oid) -> Result<(), DispatchError> {
        let rows = locked(&self.journal).open_in(&state::UNDER_WAY)?;
        let mut open = BTreeMap::new();
        let mut bases = BTreeSet::new();
        for row in rows {
            for (_, event) in locked(&self.journal).events(row.id)? {
                if let Event::Seen { base, .. } = event {
                    bases.insert(base.parse::<Oid>()?);
                }
            }
            open.insert(row.id, row);
        }
        if open.is_empty() || planted::is(Bug::RecordedTwice) {
            return Ok(());
        }
        let mut told = Vec::new();
        self.repo.walk_messages(tip, RECORD_COMMITS, |commit, message| {
            let ours = records_of(message).into_iter().filter(|(id, _)| open.contains_key(id));
            told.extend(ours.map(|(id, _)| (commit, id)));
            bases.remove(&commit);
            // Nothing of them can have been recorded before they were met.
            !bases.is_empty()
        })?;
        let mut steps: Vec<Step> = Vec::new();
        for (commit, id) in told {
            let config = contract::load_config(&self.repo, commit).map(|(config, _)| config).unwrap_or_default();
            // Words in a message alone are anybody's.
            let brought = archive::brought_by(&self.repo, commit, &config)?;
            let Some((_, record, _)) = brought.into_iter().find(|(_, record, _)| record.id == id) else { continue };
            if steps.iter().all(|step| step.id != id) {
                let outcome = record.outcome;
                tracing::warn!(
                    "{} is {outcome} on main already ({commit}): nothing of it is run again",
                    open[&id].path
                );
                steps.push(Self::step(id, Event::Found { commit: commit.to_string(), outcome }));
            }
        }
        self.append(&steps, &[])
    }
}
