//! Requests that were handed in on this host, through the state folder: obeyed at once, also while the remote is away, and
//! recorded like any other when it can be had.
//!
//! One of them is met like a request of the work tree that was never committed: SEEN stands before anything is done about
//! it, its record is published with the request archived beside it, and its file is taken out when the journal says how it
//! ended. A crash anywhere in between finds the file again, and the journal says what is done already.

use std::collections::HashSet;

use super::claims::{Ending, How};
use super::command::Asked;
use super::intake::Met;
use super::{DispatchError, Dispatcher};
use crate::admit::{Rejection, Verdict};
use crate::contract::Contract;
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::hand_in::{self, HandedIn};
use crate::id::RequestId;
use crate::inbox;
use crate::job::Introduced;
use crate::publish::locked;
use crate::repo::{MODE_FILE, TreeEntry};
use crate::request;
use crate::spool::SpoolError;

impl Dispatcher {
    /// Obeys what was handed in. Before main is read, what this dispatcher knows nothing of may only not have come yet.
    pub(super) fn obey_handed_in(&mut self, is_read: bool) -> Result<(), DispatchError> {
        if !self.recovered {
            return Ok(());
        }
        let (Some(tip), Some(contract)) = (self.tip, self.contract.clone()) else { return Ok(()) };
        for handed_in in hand_in::all(&self.state) {
            let row = locked(&self.journal).get(handed_in.id)?;
            if row.as_ref().is_none_or(|row| row.state.outcome().is_none()) {
                let met = self.meet_handed_in(&handed_in, &contract)?;
                if row.is_none_or(|row| !row.state.is_pending()) {
                    let (path, blob) = (met.entry.shown.clone(), met.entry.oid.to_string());
                    let (introduced, base) = (met.introduced.commit.clone(), tip.to_string());
                    self.append(&[Self::step(met.id, Event::Seen { path, blob, introduced, base })], &[])?;
                }
                self.carry_out_handed_in(met, is_read)?;
            }
            let row = locked(&self.journal).get(handed_in.id)?;
            if row.is_some_and(|row| row.state.outcome().is_some())
                && let Err(error) = hand_in::take_out(&self.state, &handed_in)
            {
                // The journal knows its end, so that it is not obeyed twice.
                tracing::warn!("taking out what was handed in: {error}");
            }
        }
        Ok(())
    }

    fn carry_out_handed_in(&mut self, met: Met, is_read: bool) -> Result<(), DispatchError> {
        let Met { id, entry, introduced, bytes, verdict, loose, .. } = met;
        let rejection = match verdict {
            Verdict::Command(commanded) => {
                let asked = Asked { id, entry, introduced, loose, bytes, is_early: !is_read };
                return self.obey(&asked, &commanded.command);
            }
            Verdict::Rejected(rejection) => rejection,
            Verdict::Ready(_) | Verdict::Held { .. } => {
                let message = "only what is asked of the dispatcher itself can be handed in".to_owned();
                let fault = Diagnostic::new("E0205", &entry.shown, message).help("commit this request to the mainline");
                let kind = request::hints(&entry.shown, &bytes).0;
                Rejection { reason: "invalid_request", kind, id: None, faults: vec![fault] }
            }
        };
        self.carry_out(Ending { id, entry, introduced, loose, how: How::Rejected(rejection) })
    }

    fn meet_handed_in(&mut self, handed_in: &HandedIn, contract: &Contract) -> Result<Met, DispatchError> {
        let bytes = handed_in.text.as_bytes();
        let oid = self.repo.write_blob(bytes)?;
        // The object may be lost before it is archived: it is written anew from here.
        let kept = self.state.spool(handed_in.id);
        std::fs::create_dir_all(&kept)
            .and_then(|()| std::fs::write(kept.join("request"), bytes))
            .map_err(|source| SpoolError::Io { path: kept, source })?;
        let item = TreeEntry { name: format!("{}.yml", handed_in.stem).into_bytes(), mode: MODE_FILE, oid };
        let entry = inbox::entry(&contract.config.inbox, None, &item);
        let introduced = Introduced {
            commit: format!("handed-in@{}", handed_in.at),
            position: u64::MAX,
            time: handed_in.at,
            author: handed_in.who.clone(),
            committer: handed_in.who.clone(),
        };
        // Whatever id its text names: this is the one by which its file is known.
        Ok(Met { id: handed_in.id, ..self.meet(contract, entry, introduced, true)? })
    }

    /// What was handed in and is not over: it stands in no inbox, and was not taken back for that.
    pub(super) fn handed_in(&self) -> HashSet<RequestId> {
        hand_in::all(&self.state).into_iter().map(|handed_in| handed_in.id).collect()
    }
}
