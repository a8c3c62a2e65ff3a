//! Looking at main: fetch, history, contract, inbox; and what each entry becomes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::claims::{Ending, How};
use super::doubt::{META_ADOPTED, scanned_key};
use super::{DispatchError, Dispatcher, Halt, HeldBy, Hold, Ticket};
use crate::admit::{self, Rejection, Verdict};
use crate::contract::{self, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::id::RequestId;
use crate::inbox::{self, Entry};
use crate::job::Introduced;
use crate::journal::{Admitted as Described, Entry as Step, Row};
use crate::outcome::Outcome;
use crate::planted::{self, Bug};
use crate::publish::{META_TIP, locked, obstacle_of};
use crate::queue::{Order, Standing as Place};
use crate::repo::{self, FetchClass, Oid, Open};
pub(super) use crate::request::spec_digest;
use crate::request::{self, Target};
use crate::room;
use crate::state::State;

/// Journal key: when main was last read and had moved, seconds since 1970.
pub(super) const META_FETCHED_AT: &str = "fetched_at";
/// Journal key: the branch that the first run saw.
pub const META_BRANCH: &str = "branch";
/// Journal key: whether only merged requests ran at the first run.
pub const META_MERGED_ONLY: &str = "merged_only";

/// An entry with everything that decides about it.
pub(super) struct Met {
    pub(super) id: RequestId,
    pub(super) entry: Entry,
    pub(super) introduced: Introduced,
    pub(super) bytes: Arc<[u8]>,
    pub(super) verdict: Verdict,
    /// Whose it is, where that is not this node's: nothing of it is judged here.
    pub(super) target: Option<Target>,
    pub(super) loose: bool,
}

impl Dispatcher {
    /// Main as it is now, and as it was when it was last seen. The latter is read first: the publisher moves it on.
    pub(super) fn fetch(&mut self) -> Result<Option<(Option<Oid>, Oid)>, DispatchError> {
        let seen = locked(&self.journal).meta(META_TIP)?.and_then(|text| text.parse().ok());
        if let Some(watch) = &self.branch_watch {
            // Before the look: what moves behind it is seen then.
            watch.arm();
        }
        // The publisher may be reading our own copy of the repository: it is not made anew under its hands.
        let tip = match self.unmoved() {
            Some(tip) => Ok(tip),
            None if self.publishing > 0 => self.repo.fetch_into_cache(),
            None => self.repo.fetch(),
        };
        let error = match tip {
            Ok(tip) => {
                self.last_fetch = self.clock.now().as_second();
                self.summary.obstacle = None;
                if std::mem::take(&mut self.fetch_failures) > 0 {
                    tracing::info!("main can be read again");
                    // What waits to be published need not wait for its pause.
                    self.delivery.hurry();
                }
                self.take_marks(tip.marks);
                return Ok(Some((seen, tip.commit)));
            }
            // Cut short by our own end, which says nothing about the remote.
            Err(_) if self.repo.patience().is_over() => return Ok(None),
            Err(error) => error,
        };
        // A branch that nobody has pushed yet, or what has to be set up here first, costs no remote anything.
        let costs = !matches!(error.class, FetchClass::Empty | FetchClass::Protocol | FetchClass::Configuration);
        self.fetch_failures = if costs { self.fetch_failures.saturating_add(1) } else { 0 };
        let obstacle = obstacle_of(&error);
        // Said once and not at every look.
        if room::is_said(&error.words) {
            self.lack_room(error.to_string());
        } else if self.summary.obstacle.as_ref() == Some(&obstacle) {
            tracing::debug!("{error}");
        } else {
            tracing::warn!("{error}");
        }
        self.summary.obstacle = Some(obstacle);
        Ok(None)
    }

    /// Most looks of one that watches find what the last one found: where the origin is on this machine that costs no
    /// program. Whoever asks for a look, and whoever met trouble, fetches.
    fn unmoved(&self) -> Option<repo::Tip> {
        let is_routine = self.interval.is_some() && self.ready && !self.reloading && self.publishing == 0;
        if is_routine && self.fetch_failures == 0 && self.tip.is_some() { self.repo.unmoved() } else { None }
    }

    /// Stops where main lost commits that were there, and keeps at-most-once work where another dispatcher records.
    pub(super) fn check_history(&mut self, seen: Option<Oid>, tip: Oid) -> Result<(), DispatchError> {
        self.look_for_claimants()?;
        let scanned = locked(&self.journal).meta(scanned_key(self.host.file.claims))?;
        let scanned: Option<Oid> = scanned.and_then(|text| text.parse().ok());
        if scanned == Some(tip) && seen == Some(tip) && self.tip.is_some() {
            return Ok(());
        }
        if let Some(seen) = seen
            && !self.repo.is_ancestor(seen, tip)?
        {
            let obstacle = crate::publish::Obstacle::Rewritten { seen: seen.to_string(), now: tip.to_string() };
            self.alarm(&obstacle.words());
            self.summary.obstacle = Some(obstacle);
            self.halt = Some(Halt::Rewritten);
            return Ok(());
        }
        self.look_for_others(tip, scanned)?;
        if self.halt.is_some() {
            // Not taken as seen: every pass must meet the stranger again, whatever we publish meanwhile.
            return Ok(());
        }
        let mut journal = locked(&self.journal);
        if seen != Some(tip) {
            journal.set_meta(META_TIP, &tip.to_string())?;
            journal.set_meta(META_FETCHED_AT, &self.last_fetch.to_string())?;
        }
        Ok(())
    }

    /// Under `claims: local`: others who claim requests here cannot know what this host starts, so it starts and ends nothing.
    fn look_for_claimants(&mut self) -> Result<(), DispatchError> {
        self.outvoted = None;
        for (node, state) in self.registered_others() {
            if locked(&self.journal).meta(&format!("{META_ADOPTED}{state}"))?.is_none() {
                let words = format!(
                    "node {node} claims requests of this repository on the remote, and this host does not: write \
                     `claims: remote` in {}, or `dispatch adopt` where that node is gone",
                    self.host.file.file
                );
                self.alarm(&words);
                self.summary.foreign = Some(state);
                self.outvoted = Some(words);
                break;
            }
        }
        Ok(())
    }

    /// Records whose push was never answered: main says whether they landed.
    pub(super) fn settle_built(&mut self, tip: Oid) -> Result<(), DispatchError> {
        if self.publishing > 0 {
            return Ok(());
        }
        let rows = locked(&self.journal).open_in(&["built"])?;
        let mut count = 0;
        for row in rows {
            let State::Built { commits, .. } = &row.state else { continue };
            let mut landed = false;
            for commit in commits {
                landed = landed || self.repo.is_ancestor(commit.parse()?, tip)?;
            }
            if landed && !planted::is(Bug::RecordedTwice) {
                self.append(&[Self::step(row.id, Event::Pushed { tip: tip.to_string() })], &[])?;
                self.ended.retain(|parcel| parcel.record.id != row.id);
                self.forget_claims(&[row.id]);
                self.spooled_bytes.remove(&row.id);
                count += 1;
            }
        }
        if count > 0 { self.reached_main(count) } else { Ok(()) }
    }

    /// Reads what the tip says; false where nothing can be admitted by it.
    pub(super) fn load_contract(&mut self, tip: Oid) -> Result<bool, DispatchError> {
        let contract = match contract::load(&self.repo, tip, &mut self.compiled) {
            Ok(contract) => contract,
            Err(ContractError::Faults(faults)) => {
                self.fault(faults);
                self.contract = None;
                return Ok(false);
            }
            Err(ContractError::Repo(error)) => return Err(error.into()),
        };
        if let Some(fault) = self.changed_policy(&contract)? {
            self.fault(vec![fault]);
            self.contract = None;
            return Ok(false);
        }
        let faults = contract.faults();
        self.fault(faults);
        self.contract = Some(Arc::new(contract));
        Ok(true)
    }

    /// What was queued by an earlier tip waits until main can be obeyed again.
    pub(super) fn drop_unstarted(&mut self) {
        let unstarted: Vec<RequestId> =
            self.tickets.iter().filter(|(_, ticket)| ticket.started.is_none()).map(|(id, _)| *id).collect();
        for id in unstarted {
            self.queue.remove(id);
            self.tickets.remove(&id);
        }
    }

    pub(super) fn fault(&mut self, faults: Vec<Diagnostic>) {
        for fault in faults {
            if !self.faults_before.contains(&fault) {
                tracing::error!("{fault}");
            }
            self.summary.faults.push(fault);
        }
    }

    /// The owner's host file decides on branch and policy; without its word what the first run saw is kept, so that a
    /// commit alone cannot move the dispatcher to a branch that nobody protects.
    fn changed_policy(&mut self, contract: &Contract) -> Result<Option<Diagnostic>, DispatchError> {
        let asked_branch = contract.config.branch.clone().unwrap_or_else(|| self.repo.branch().to_owned());
        let mut journal = locked(&self.journal);
        for (key, asked, fixed) in [
            (META_BRANCH, asked_branch, self.host.file.repository.branch.is_some()),
            (
                META_MERGED_ONLY,
                contract.config.merged_only.to_string(),
                self.host.file.repository.merged_only.is_some(),
            ),
        ] {
            if fixed {
                continue;
            }
            match journal.meta(key)? {
                None => journal.set_meta(key, &asked)?,
                Some(kept) if kept != asked => {
                    let what = if key == META_BRANCH { "mainline_branch" } else { "enforce_merge_before_execution" };
                    let message = format!("`{what}` is `{asked}` now, and was `{kept}` at the first run");
                    return Ok(Some(Diagnostic::new("E0710", crate::config::PATH, message).help(
                        "`dispatch adopt` accepts the change; `repository:` in the host file decides it for good",
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    pub(super) fn merged_only(&self, contract: &Contract) -> bool {
        self.host.file.repository.merged_only.unwrap_or(contract.config.merged_only)
    }

    /// Admits everything that lies in the inbox, and notes what left it before it was started.
    pub(super) fn read_inbox(&mut self, tip: Oid) -> Result<(), DispatchError> {
        let Some(contract) = self.contract.clone() else { return Ok(()) };
        self.forget_endings();
        let mut met = self.meet_all(tip, &contract)?;
        met.sort_by(|a, b| (a.introduced.position, &a.entry.path).cmp(&(b.introduced.position, &b.entry.path)));
        self.learn_from_archive(&met, tip, &contract)?;
        let rows: HashMap<RequestId, Row> =
            locked(&self.journal).open_requests()?.into_iter().map(|row| (row.id, row)).collect();
        let gone = self.withdrawn(&rows, &met);
        let mut steps: Vec<Step> = gone.iter().map(|id| Self::step(*id, Event::Withdrawn)).collect();
        let mut fresh: HashSet<RequestId> = HashSet::new();
        let mut pending = Vec::with_capacity(met.len());
        let under_way = self.under_way(&rows)?;
        for met in met {
            if under_way.contains(&(met.entry.shown.clone(), met.entry.oid.to_string())) {
                // Whatever id it has by now.
                continue;
            }
            let Some(met) = self.with_own_id(met, &fresh, &gone)? else { continue };
            let row = rows.get(&met.id).filter(|row| !gone.contains(&row.id));
            match row.map(|row| &row.state) {
                Some(state) if state.is_pending() => {}
                Some(State::Built { .. }) if planted::is(Bug::RunAgain) => {}
                Some(_) => continue,
                None if self.settle_published(&met, tip)? => continue,
                None => {
                    let base = tip.to_string();
                    let (path, blob) = (met.entry.shown.clone(), met.entry.oid.to_string());
                    let introduced = met.introduced.commit.clone();
                    steps.push(Self::step(met.id, Event::Seen { path, blob, introduced, base }));
                }
            }
            fresh.insert(met.id);
            pending.push(met);
        }
        self.append(&steps, &[])?;
        // What is not needed any more makes room for what is made of the rest.
        drop((rows, gone, fresh, steps, under_way));
        // What is asked of the dispatcher itself comes first: it may end others, or let them start.
        let is_command = |met: &Met| matches!(met.verdict, Verdict::Command(_));
        pending.sort_by_key(|met| !is_command(met));
        let mut keyed = Vec::new();
        let asked = pending.first().is_some_and(is_command);
        for met in pending {
            let row = if asked { locked(&self.journal).get(met.id)? } else { None };
            if row.is_none_or(|row| row.state.is_pending()) {
                self.place(met, &mut keyed)?;
            }
        }
        Ok(locked(&self.journal).describe(&keyed)?)
    }

    /// What was started or has ended and is not on main by this tip, by path and blob: its record takes just this out of the
    /// inbox. A merge whose first parent is the other line (`git pull` into local work, pushed) gives what it brings another
    /// introducing commit, and so another id; it is the same request all the same, and is not run for that id too.
    fn under_way(&self, rows: &HashMap<RequestId, Row>) -> Result<HashSet<(String, String)>, DispatchError> {
        if planted::is(Bug::RunAgain) {
            return Ok(HashSet::new());
        }
        let mut found: HashSet<(String, String)> = HashSet::new();
        found.extend(
            rows.values().filter(|row| !row.state.is_pending()).map(|row| (row.path.clone(), row.blob.clone())),
        );
        // The publisher may have brought it to main since this tip was read.
        for id in self.spooled_bytes.keys().filter(|id| !rows.contains_key(id)) {
            found.extend(locked(&self.journal).get(*id)?.map(|row| (row.path, row.blob)));
        }
        Ok(found)
    }

    /// Published once, and in the inbox all the same; false where it was never published.
    fn settle_published(&mut self, met: &Met, tip: Oid) -> Result<bool, DispatchError> {
        let row = locked(&self.journal).get(met.id)?;
        let Some((row, State::Published { outcome })) = row.map(|row| (row.clone(), row.state)) else {
            return Ok(false);
        };
        if self.publishing > 0 {
            return Ok(true);
        }
        if met.loose && self.has_landed(met.id, tip)? {
            // Main has moved and the work tree has not followed: a crash came between the two.
            self.repo.remove_loose(&met.entry.path, met.entry.oid)?;
            return Ok(true);
        }
        // Main lost the record together with the archived request: the spool has it still.
        tracing::warn!("main lost the record of {}: it is published again, nothing is run", met.id);
        self.recover_ended(&row, outcome)?;
        Ok(true)
    }

    /// Whether one of the commits that were built with its record is on main.
    fn has_landed(&self, id: RequestId, tip: Oid) -> Result<bool, DispatchError> {
        let events = locked(&self.journal).events(id)?;
        for (_, event) in events {
            if let Event::Built { commit, .. } = event
                && self.repo.is_ancestor(commit.parse()?, tip)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn meet_all(&mut self, tip: Oid, contract: &Contract) -> Result<Vec<Met>, DispatchError> {
        let config = &contract.config;
        let read = inbox::read(&self.repo, tip, config)?;
        for path in &read.left_alone {
            tracing::debug!("`{path}` is left alone: a request ends in .yml or .yaml and lies at most one folder down");
        }
        let open: Vec<Open> =
            read.entries.iter().map(|entry| Open { path: entry.path.clone(), oid: entry.oid }).collect();
        let introduced = self.repo.introduced(tip, &config.inbox, &config.archive, &open)?;
        // As large as it has to be: with many requests it is much of what this process holds.
        let mut met = Vec::with_capacity(read.entries.len());
        for (entry, introduced) in read.entries.into_iter().zip(introduced) {
            let Some(introduced) = introduced else { continue };
            let returned = introduced.returned;
            let mut next = self.meet(contract, entry, introduced_of(&introduced), false)?;
            if returned {
                next.verdict = Verdict::Rejected(Rejection::returned(&next.entry.shown));
            }
            met.push(next);
        }
        if !self.merged_only(contract) {
            for (entry, introduced) in self.loose_entries(tip, config)? {
                met.push(self.meet(contract, entry, introduced, true)?);
            }
        }
        Ok(met)
    }

    pub(super) fn meet(
        &self,
        contract: &Contract,
        entry: Entry,
        introduced: Introduced,
        loose: bool,
    ) -> Result<Met, DispatchError> {
        let derived = RequestId::derived(&introduced.commit, &entry.shown, &entry.oid.to_string());
        let (bytes, verdict) = match inbox::bytes(&self.repo, &entry)? {
            Ok(bytes) => {
                let verdict = admit::admit(&contract.rules, &self.host.file, &entry.shown, &bytes, || derived.uuid());
                (bytes, verdict)
            }
            Err(fault) => (Vec::new(), Verdict::Rejected(Rejection::unread(fault))),
        };
        let explicit = match &verdict {
            Verdict::Ready(admitted) => admitted.request.id,
            Verdict::Command(commanded) => commanded.request.id,
            Verdict::Rejected(rejection) => rejection.id,
            Verdict::Held { .. } => request::hints(&entry.shown, &bytes).1,
        };
        let id = explicit.map_or(derived, RequestId::explicit);
        let target = request::target_of(&entry.shown, &bytes)
            .filter(|target| !target.means(&self.host.node, &self.host.file.labels));
        Ok(Met { id, entry, introduced, bytes: bytes.into(), verdict, target, loose })
    }

    /// An id that another request has is refused; the refusal itself goes by the derived id. `None`: nothing to do.
    fn with_own_id(
        &self,
        mut met: Met,
        fresh: &HashSet<RequestId>,
        gone: &HashSet<RequestId>,
    ) -> Result<Option<Met>, DispatchError> {
        let derived = RequestId::derived(&met.introduced.commit, &met.entry.shown, &met.entry.oid.to_string());
        let returned = matches!(&met.verdict, Verdict::Rejected(rejection) if rejection.reason == "returned");
        let known = locked(&self.journal).get(met.id)?;
        let same = |row: &Row| {
            row.blob == met.entry.oid.to_string()
                && row.path == met.entry.shown
                && row.introduced == met.introduced.commit
        };
        let taken = match &known {
            _ if fresh.contains(&met.id) => true,
            // Edited, moved or taken back before it was started: the id is free again.
            Some(row) if row.state == State::Withdrawn || gone.contains(&row.id) => false,
            Some(row) => !same(row),
            None => false,
        };
        if derived != met.id && locked(&self.journal).get(derived)?.is_some_and(|row| row.state.outcome().is_some()) {
            // Refused under its derived id before, and not on main yet.
            return Ok(None);
        }
        if !taken && !returned {
            return Ok(Some(met));
        }
        if fresh.contains(&derived) {
            return Ok(None);
        }
        if !returned {
            let kind = request::hints(&met.entry.shown, &met.bytes).0;
            met.verdict = Verdict::Rejected(Rejection::duplicate_id(&met.entry.shown, kind, met.id.uuid()));
        }
        met.id = derived;
        let known = locked(&self.journal).get(derived)?;
        Ok(known.is_none_or(|row| row.state.is_pending()).then_some(met))
    }

    /// SEEN requests that are not in the inbox any more.
    fn withdrawn(&mut self, rows: &HashMap<RequestId, Row>, met: &[Met]) -> HashSet<RequestId> {
        // The same file that was recorded and committed again is another request, whatever id it names; one whose id is
        // another's goes by its derived id.
        let mut there: HashSet<(RequestId, &str, String, &str)> = HashSet::new();
        for Met { id, entry, introduced, .. } in met {
            let (path, blob) = (entry.shown.as_str(), entry.oid.to_string());
            let derived = RequestId::derived(&introduced.commit, path, &blob);
            there.extend([*id, derived].map(|id| (id, path, blob.clone(), introduced.commit.as_str())));
        }
        let stands =
            |row: &Row| there.contains(&(row.id, row.path.as_str(), row.blob.clone(), row.introduced.as_str()));
        let gone: HashSet<RequestId> =
            rows.values().filter(|row| row.state.is_pending() && !stands(row)).map(|row| row.id).collect();
        let gone = &gone - &self.handed_in();
        for id in &gone {
            self.queue.remove(*id);
            self.tickets.remove(id);
        }
        gone
    }

    /// Puts an entry where its verdict says: out with a record, aside, or into the queue.
    fn place(&mut self, met: Met, keyed: &mut Vec<(RequestId, Described)>) -> Result<(), DispatchError> {
        if self.is_ending(met.id) {
            // What comes first has decided so.
            return Ok(());
        }
        // What is judged anew at this tip may have been queued by the last one.
        if self.tickets.get(&met.id).is_some_and(|ticket| ticket.started.is_none()) {
            self.queue.remove(met.id);
            self.tickets.remove(&met.id);
        }
        if let Some(doubt) = self.doubt_of_met(&met) {
            let Met { id, entry, introduced, bytes, verdict, loose, .. } = met;
            let kind = request::hints(&entry.shown, &bytes).0;
            let admitted = if let Verdict::Ready(admitted) = verdict { Some(admitted) } else { None };
            let how = How::InDoubt { admitted, kind, doubt };
            return self.end(Ending { id, entry, introduced, loose, how });
        }
        if let Some(target) = met.target {
            self.hold(met.id, &met.entry, HeldBy::Target, format!("for {target}"));
            return Ok(());
        }
        if let Some(words) = self.outvoted.clone() {
            self.hold(met.id, &met.entry, HeldBy::Foreign, words);
            return Ok(());
        }
        // A refusal would say that nothing was run.
        if self.is_in_doubt(&met)
            && let Some((by, words)) = self.doubts_start_of(met.id)
        {
            self.hold(met.id, &met.entry, by, words.to_owned());
            return Ok(());
        }
        let ends_unrun = match &met.verdict {
            Verdict::Rejected(_) | Verdict::Command(_) => true,
            Verdict::Held { .. } => false,
            Verdict::Ready(admitted) => self.is_expired(admitted, &met.introduced),
        };
        if let Some(words) = self.backlog().filter(|_| ends_unrun) {
            self.hold(met.id, &met.entry, HeldBy::Backlog, words);
            return Ok(());
        }
        let Met { id, entry, introduced, bytes, verdict, loose, .. } = met;
        let admitted = match verdict {
            Verdict::Command(commanded) => {
                let how = How::Command { command: commanded.command, bytes };
                return self.end(Ending { id, entry, introduced, loose, how });
            }
            Verdict::Rejected(rejection) => {
                return self.end(Ending { id, entry, introduced, loose, how: How::Rejected(rejection) });
            }
            Verdict::Held { kind, faults } => {
                let words = faults
                    .first()
                    .map_or_else(|| format!("kind `{kind}` cannot be run"), |fault| fault.message.clone());
                self.hold(id, &entry, HeldBy::Repository, words);
                return Ok(());
            }
            Verdict::Ready(admitted) => *admitted,
        };
        if self.is_expired(&admitted, &introduced) {
            self.describe(id, &admitted)?;
            let admitted = Box::new(admitted);
            let how = How::Unrun { admitted, outcome: Outcome::Expired, reason: "expired", replay_of: None };
            return self.end(Ending { id, entry, introduced, loose, how });
        }
        // Nothing of this look starts before these are written, all of them at once.
        keyed.extend(described(id, &admitted));
        if let Some(start) = admitted.request.not_before.filter(|start| *start > self.clock.now()) {
            self.hold(id, &entry, HeldBy::Time(start), format!("not before {start}"));
            return Ok(());
        }
        if let Some((by, words)) = self.missing_layer(&admitted) {
            self.hold(id, &entry, by, words);
            return Ok(());
        }
        let mut order = Order { position: introduced.position, path: entry.shown.clone() };
        if planted::is(Bug::LastFirst) {
            order.position = u64::MAX - order.position;
        }
        let keys = if planted::is(Bug::NoLocks) { BTreeSet::new() } else { admitted.locks.clone() };
        self.queue.insert(id, order, keys, Place::Ready);
        let ticket = Ticket {
            entry,
            introduced,
            request: bytes,
            admitted,
            loose,
            started: None,
            attempts: Vec::new(),
            misfires: 0,
            hold: Hold::default(),
            acting: None,
            cancel: None,
            cancelling: None,
        };
        self.tickets.insert(id, Box::new(ticket));
        Ok(())
    }

    pub(super) fn describe(&mut self, id: RequestId, admitted: &admit::Admitted) -> Result<(), DispatchError> {
        let described = described(id, admitted);
        Ok(locked(&self.journal).describe(described.as_slice())?)
    }

    pub(super) fn is_expired(&self, admitted: &admit::Admitted, introduced: &Introduced) -> bool {
        let now = self.clock.now();
        let own = admitted.request.expires;
        let age = admitted.kind.row.expires.and_then(|age| introduced.time.checked_add(age).ok());
        own.into_iter().chain(age).any(|end| end <= now)
    }
}

/// What its row says of an admitted request. Only requests with a key are looked up by it; for the others the row can wait
/// until START.
fn described(id: RequestId, admitted: &admit::Admitted) -> Option<(RequestId, Described)> {
    let request = &admitted.request;
    request.idempotency_key.as_ref()?;
    let described = Described {
        kind: Some(request.kind.clone()),
        idempotency_key: request.idempotency_key.clone(),
        spec_sha256: Some(spec_digest(&request.spec)),
        place: None,
    };
    Some((id, described))
}

pub(super) fn introduced_of(found: &repo::Introduced) -> Introduced {
    Introduced {
        commit: found.commit.to_string(),
        position: found.position,
        time: Timestamp::from_second(found.time).unwrap_or_default(),
        author: found.author.to_string(),
        committer: found.committer.to_string(),
    }
}
