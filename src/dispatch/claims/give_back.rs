//! Claims that end without a record: given back before a start, or swept because the journal does not go by them any more.
//! What it knows nothing of is never touched.

use std::collections::BTreeSet;

use super::super::{DispatchError, Dispatcher};
use super::{IDEMPOTENCY, lost};
use crate::claim::{Note, Purpose};
use crate::event::Event;
use crate::id::RequestId;
use crate::journal::Row;
use crate::lock;
use crate::publish::locked;
use crate::repo::{Mark, RefChange};
use crate::state::State;

impl Dispatcher {
    /// Gives claims back before anything was started, first in the journal.
    pub(super) fn give_back(&mut self, ids: &[RequestId], reason: &str) -> Result<(), DispatchError> {
        let mut steps = Vec::new();
        for id in ids {
            self.claims.won.remove(id);
            let row = locked(&self.journal).get(*id)?;
            if row.is_some_and(|row| matches!(row.state, State::Claiming { .. } | State::Claimed { .. })) {
                steps.push(Self::step(*id, Event::Unclaimed { reason: reason.to_owned() }));
            }
        }
        self.append(&steps, &[])?;
        self.sweep()
    }

    /// At the end of a pass: what is claimed and was not started is left to others.
    pub(in crate::dispatch) fn give_back_unstarted(&mut self) -> Result<(), DispatchError> {
        if !self.claims_remotely() || self.claims.won.is_empty() && self.claims.marks.is_empty() {
            return Ok(());
        }
        let rows = locked(&self.journal).open_in(&["claiming", "claimed"])?;
        let unstarted = |row: &&Row| matches!(row.state, State::Claiming { .. } | State::Claimed { .. });
        let ids: Vec<RequestId> = rows.iter().filter(unstarted).map(|row| row.id).collect();
        if ids.is_empty() { Ok(()) } else { self.give_back(&ids, "it was not started in this pass") }
    }

    /// What was claimed and then held gives its claim back: another host may be able to start it.
    pub(in crate::dispatch) fn give_back_held(&mut self) -> Result<(), DispatchError> {
        let known = |id: &RequestId| self.tickets.contains_key(id) || self.claims.endings.contains_key(id);
        let idle = |id: &&RequestId| !known(id) && !self.claims.adopted.contains_key(id);
        let idle: Vec<RequestId> = self.claims.won.keys().filter(idle).copied().collect();
        let mut held = Vec::new();
        for id in idle {
            if locked(&self.journal).get(id)?.is_some_and(|row| row.state.is_pending()) {
                held.push(id);
            }
        }
        if held.is_empty() { Ok(()) } else { self.give_back(&held, "it cannot start here now") }
    }

    /// Records have reached main, and their refs are gone with them.
    pub(in crate::dispatch) fn forget_claims(&mut self, ids: &[RequestId]) {
        let (state, published) = (self.state_id, |id: &RequestId| ids.contains(id));
        self.claims.marks.retain(|_, mark| {
            let note = mark.note.as_ref().filter(|note| note.state == state);
            !note.and_then(Note::request).is_some_and(|id| published(&id))
        });
        for id in ids {
            self.claims.won.remove(id);
            self.claims.retaken.remove(id);
        }
    }

    /// Deletes refs of ours that the journal no longer goes by: of pushes that have landed late, of records whose push ended
    /// half way on the server, of attempts that are over. What the journal knows nothing of is never touched.
    pub(in crate::dispatch) fn sweep(&mut self) -> Result<(), DispatchError> {
        let mut gone = Vec::new();
        for mark in self.claims.marks.values().filter(|mark| self.is_ours(mark)) {
            if self.is_left_over(mark)? {
                gone.push(RefChange::delete(mark.name.clone(), mark.commit));
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        match self.repo.push_marks(&gone, false) {
            Ok(()) => {
                for change in &gone {
                    self.claims.marks.remove(&change.name);
                }
            }
            // They stand in nobody's way but our own, and the next look tries again.
            Err(error) => tracing::debug!("giving claims back: {error}"),
        }
        Ok(())
    }

    fn is_left_over(&self, mark: &Mark) -> Result<bool, DispatchError> {
        let Some(said) = &mark.note else { return Ok(false) };
        let Some(id) = said.request() else { return Ok(false) };
        let journal = locked(&self.journal);
        let claims = journal.claims_of(id)?;
        let is_claim = matches!(said.purpose, Purpose::Claim { .. });
        let adopted = self.claims.adopted.contains_key(&id);
        let known = if is_claim { lost::knows(&journal, id, mark.commit)? } else { adopted || !claims.is_empty() };
        if !known {
            return Ok(false);
        }
        // What was taken over from a lost state folder and is not in the inbox any more is nobody's.
        let Some(row) = journal.get(id)? else { return Ok(adopted) };
        drop(journal);
        let commit = mark.commit.to_string();
        Ok(match &row.state {
            State::Claiming { claim } | State::Claimed { claim } => {
                if is_claim {
                    claim.commit != commit
                } else {
                    !claim.locks.values().any(|lock| *lock == commit)
                }
            }
            // Between attempts nobody needs the resource, unless a handler of ours still dies there.
            State::Retrying { .. } if matches!(&said.purpose, Purpose::Lock { key, .. } if !key.starts_with(IDEMPOTENCY)) =>
            {
                let keys: BTreeSet<String> = claims.iter().flat_map(|claim| claim.locks.keys().cloned()).collect();
                !self.claims.retaken.contains(&id) && lock::take_all(&self.state.locks(), &keys)?.is_some()
            }
            State::Running { .. }
            | State::Acting { .. }
            | State::Cancelling { .. }
            | State::Retrying { .. }
            | State::Ended { .. }
            | State::Built { .. } => false,
            State::Seen => !adopted,
            State::Unknown | State::Withdrawn | State::Published { .. } => true,
        })
    }

    /// An attempt is over and another one follows: its resources are free meanwhile.
    pub(in crate::dispatch) fn free_between_attempts(&mut self, id: RequestId) {
        self.claims.retaken.remove(&id);
    }
}
