//! Claims of a time that this journal knows nothing of: its state folder was lost, or set back to an older copy. What they
//! claim may have been started; nothing is, until a person has said `adopt`.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::super::{DispatchError, Dispatcher};
use super::Holder;
use crate::claim::{self, Note, Purpose};
use crate::id::RequestId;
use crate::journal::{Journal, JournalError};
use crate::publish::locked;
use crate::repo::{Identity, Mark, Oid, PushError, RefChange, Repo, RepoError};

/// A claim that bears this node's name or its state folder's, and that its journal knows nothing of: the state folder was
/// lost, or is an older copy. What it claims may have been started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostClaim {
    /// The request.
    pub id: RequestId,
    /// Its path in the inbox.
    pub path: String,
    /// The commit of the claim.
    pub commit: Oid,
    /// The state folder that made it; ours where that was set back.
    pub state: Uuid,
}

/// Journal key prefix: the commit of a claim of a lost state folder that `adopt` has made ours, by request.
const META_ADOPTED_CLAIM: &str = "adopted_claim:";

/// What `adopt` has taken over on the remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// The state folder that had this node's name.
    pub name_of: Option<Uuid>,
    /// The claims that are ours now.
    pub claims: Vec<LostClaim>,
}

/// Why nothing could be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The objects.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The remote.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// The claims that bear a node's name or a state folder's id and that its journal knows nothing of, by the refs of one fetch.
///
/// With `claims: remote` exactly these requests may have been started by a state folder that was lost, or by this one in a
/// time that it knows nothing of: everything else that it started is recorded, and nothing is started without a claim.
/// `adopt` marks those of at-most-once kinds as in doubt (they end `indeterminate`, reason `state_lost`, or
/// `state_restored` where `state` is our own) before it calls [`take_over`]; those of at-least-once kinds may start again.
///
/// # Errors
/// The journal cannot be read.
pub fn what_may_have_started(
    marks: &[Mark],
    journal: &Journal,
    node: &str,
    own: Uuid,
) -> Result<Vec<LostClaim>, JournalError> {
    let mut lost = Vec::new();
    for mark in marks {
        let Some(said) = &mark.note else { continue };
        let Purpose::Claim { id, path } = &said.purpose else { continue };
        let by_name = said.node == node || said.state == own;
        if by_name && mark.name == claim::claim_ref(*id) && !knows(journal, *id, mark.commit)? {
            lost.push(LostClaim { id: *id, path: path.clone(), commit: mark.commit, state: said.state });
        }
    }
    lost.sort_by(|a, b| (&a.path, a.id).cmp(&(&b.path, b.id)));
    Ok(lost)
}

/// Puts a node's name to this state folder, and the claims of a lost one with their locks, all in one push by
/// compare-and-swap: they are never free in between, so that no other host can start what they claim. Whatever ends these
/// requests here deletes them.
///
/// # Errors
/// [`TakeOverError`]; on the remote nothing has changed then.
pub fn take_over(
    repo: &Repo,
    journal: &mut Journal,
    marks: &[Mark],
    node: &str,
    own: Uuid,
    identity: &Identity,
    now: Timestamp,
) -> Result<TakenOver, TakeOverError> {
    let claims = what_may_have_started(marks, journal, node, own)?;
    let mut taken = TakenOver { name_of: None, claims };
    let meant = marks.iter().filter(|mark| {
        let Some(said) = &mark.note else { return false };
        match &said.purpose {
            Purpose::Node => mark.name == claim::node_ref(node) && said.state != own,
            Purpose::Claim { id, .. } | Purpose::Lock { id, .. } => {
                let is_lost = taken.claims.iter().any(|lost| lost.id == *id);
                is_lost && (said.node == node || said.state == own)
            }
            Purpose::Probe => false,
        }
    });
    let meant: Vec<&Mark> = meant.collect();
    let names = meant.iter().filter_map(|mark| mark.note.as_ref()).filter(|said| said.purpose == Purpose::Node);
    taken.name_of = names.map(|said| said.state).next();
    make_ours(repo, journal, &meant, node, own, identity, now)?;
    Ok(taken)
}

/// Puts refs to this state folder, each at a commit of its own, in one push by compare-and-swap. Gives back what stands
/// there now.
fn make_ours(
    repo: &Repo,
    journal: &mut Journal,
    meant: &[&Mark],
    node: &str,
    own: Uuid,
    identity: &Identity,
    now: Timestamp,
) -> Result<Vec<Mark>, TakeOverError> {
    let (mut changes, mut made) = (Vec::new(), Vec::new());
    for mark in meant {
        let Some(said) = &mark.note else { continue };
        let ours = Note { node: node.to_owned(), state: own, nonce: Uuid::new_v4(), ..said.clone() };
        let to = repo.write_note(&ours, identity, now.as_second())?;
        if let Purpose::Claim { id, .. } = &said.purpose {
            // Known before it is there, like every claim.
            journal.set_meta(&format!("{META_ADOPTED_CLAIM}{id}"), &to.to_string())?;
        }
        changes.push(RefChange { name: mark.name.clone(), from: Some(mark.commit), to: Some(to) });
        made.push(Mark { name: mark.name.clone(), commit: to, note: Some(ours), time: now.as_second() });
    }
    if !changes.is_empty() {
        repo.push_marks(&changes, true)?;
    }
    Ok(made)
}

impl Dispatcher {
    /// Whether a claim that this journal does not go by stands on a request: another node's, or of a time that it knows
    /// nothing of.
    pub(in crate::dispatch) fn is_claimed_by_another(&self, id: RequestId) -> bool {
        matches!(self.holder_of_claim(id), Holder::Other(_))
    }

    /// Takes the claim of a request, and its locks, from whoever has them, because a person says that they are gone. By
    /// compare-and-swap: where they were not gone after all nothing is taken, and the words say why.
    pub(in crate::dispatch) fn seize(&mut self, id: RequestId) -> Result<Result<(), String>, DispatchError> {
        let about = |mark: &&Mark| mark.note.as_ref().and_then(Note::request) == Some(id);
        let meant: Vec<Mark> = self.claims.marks.values().filter(about).cloned().collect();
        let meant: Vec<&Mark> = meant.iter().collect();
        let node = self.host.node.clone();
        let (now, identity) = (self.clock.now(), self.settings.identity.clone());
        let made = make_ours(&self.repo, &mut locked(&self.journal), &meant, &node, self.state_id, &identity, now);
        let made = match made {
            Ok(made) => made,
            Err(TakeOverError::Push(error)) => return Ok(Err(error.to_string())),
            Err(TakeOverError::Journal(error)) => return Err(error.into()),
            Err(TakeOverError::Repo(error)) => return Err(error.into()),
        };
        for mark in made {
            if mark.name == claim::claim_ref(id) {
                self.claims.won.insert(id, mark.commit);
                self.claims.adopted.insert(id, mark.commit);
            }
            self.claims.marks.insert(mark.name.clone(), mark);
        }
        Ok(Ok(()))
    }
}

/// The claims that `adopt` has made ours.
pub(super) fn adopted(journal: &Journal) -> Result<HashMap<RequestId, Oid>, JournalError> {
    let known = journal.meta_below(META_ADOPTED_CLAIM)?;
    Ok(known.iter().filter_map(|(id, commit)| Some((id.parse().ok()?, commit.parse().ok()?))).collect())
}

/// Whether a claim at this commit was ever about to be made by this journal, or taken over by it.
pub(super) fn knows(journal: &Journal, id: RequestId, commit: Oid) -> Result<bool, JournalError> {
    let commit = commit.to_string();
    let made = journal.claims_of(id)?.iter().any(|claim| claim.commit == commit);
    Ok(made || journal.meta(&format!("{META_ADOPTED_CLAIM}{id}"))?.as_ref() == Some(&commit))
}
