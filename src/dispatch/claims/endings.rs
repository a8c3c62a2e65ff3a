//! Requests that end without a start: refused, expired, answered by an earlier one, in doubt, or carried out by the
//! dispatcher itself. Such an end is an end for all hosts, so that with `claims: remote` it needs the claim, as a start does.

use std::sync::Arc;

use super::super::{DispatchError, Dispatcher, Doubt};
use crate::admit::{Admitted, Rejection};
use crate::command::Command;
use crate::id::RequestId;
use crate::inbox::Entry;
use crate::job::Introduced;
use crate::outcome::Outcome;
use crate::record::report::Report;
use crate::spool;

/// A request that ends without a start.
pub(in crate::dispatch) struct Ending {
    pub(in crate::dispatch) id: RequestId,
    pub(in crate::dispatch) entry: Entry,
    pub(in crate::dispatch) introduced: Introduced,
    pub(in crate::dispatch) loose: bool,
    pub(in crate::dispatch) how: How,
}

/// How it ends.
pub(in crate::dispatch) enum How {
    /// It is refused.
    Rejected(Rejection),
    /// Its time has passed, or an earlier request answers it.
    Unrun { admitted: Box<Admitted>, outcome: Outcome, reason: &'static str, replay_of: Option<RequestId> },
    /// Somebody else may have started it, and nobody can know.
    InDoubt { admitted: Option<Box<Admitted>>, kind: Option<String>, doubt: Doubt },
    /// A person does not want it any more.
    Cancelled { admitted: Option<Box<Admitted>>, kind: Option<String>, by: RequestId, reason: Option<String> },
    /// It asks something of the dispatcher itself.
    Command { command: Command, bytes: Arc<[u8]> },
}

impl Dispatcher {
    /// Whether requests wait for a claim to end.
    pub(in crate::dispatch) fn has_endings(&self) -> bool {
        !self.claims.endings.is_empty()
    }

    /// Ends a request without a start: at once, or with `claims: remote` as soon as it is claimed.
    pub(in crate::dispatch) fn end(&mut self, ending: Ending) -> Result<(), DispatchError> {
        if self.claims_remotely() && !self.has_claim(ending.id) {
            self.claims.endings.insert(ending.id, ending);
            return Ok(());
        }
        self.carry_out(ending)
    }

    /// Whether a request waits for its claim to end.
    pub(in crate::dispatch) fn is_ending(&self, id: RequestId) -> bool {
        self.claims.endings.contains_key(&id)
    }

    /// Forgets what would have ended by the main before this one.
    pub(in crate::dispatch) fn forget_endings(&mut self) {
        self.claims.endings.clear();
    }

    /// Ends what was claimed for it.
    pub(super) fn end_claimed(&mut self) -> Result<(), DispatchError> {
        let claimed: Vec<RequestId> = self.claims.endings.keys().copied().filter(|id| self.has_claim(*id)).collect();
        for id in claimed {
            if let Some(ending) = self.claims.endings.remove(&id) {
                self.carry_out(ending)?;
            }
        }
        Ok(())
    }

    /// A request that waited for its next attempt, and whose claim somebody has settled: it is never started again.
    pub(super) fn end_without_claim(&mut self, id: RequestId) -> Result<(), DispatchError> {
        tracing::warn!("{}: its claim on the remote is gone, so it is not tried again", self.name_of(id));
        let ticket = self.tickets.get(&id).expect("what waits for an attempt has a ticket");
        let last = ticket.attempts.last().cloned().expect("it was started before");
        let report = Report::unrun(last, Outcome::Failed);
        let (step, counts) = self.seal_with(id, &report, Some("claim_lost".to_owned()))?;
        spool::sync(&self.state)?;
        self.append(&[step], &counts)
    }
}
