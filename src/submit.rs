//! Putting a request into the inbox: a commit of one file on the mainline's tip, pushed with a lease, by whoever may push.
//!
//! Owns the rounds of that: a lost race is built again on the new tip, doubt is settled by looking. It needs no instance
//! lock, since a dispatcher may be at work, and it judges nothing: what the request comes to is the dispatcher's.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use crate::clock::Clock;
use crate::contract;
use crate::inbox;
use crate::publish::follow;
use crate::repo::{
    Changeset, Content, FetchClass, FetchError, Identity, Oid, Origin, PushClass, PushError, Repo, RepoError, Tip,
    Write,
};

/// How often a lost race is run again.
const RACES_MAX: u32 = 20;
/// How often a fetch is tried that met another process's lock in the object cache.
const FETCHES_MAX: u32 = 5;

/// A request to be put there.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Name of its file without ending; where that is taken a number comes behind it.
    pub stem: String,
    /// Its text.
    pub text: String,
    /// Subject of the commit.
    pub subject: String,
}

/// A request that is on main.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Its path.
    pub path: String,
    /// The commit that brought it.
    pub commit: Oid,
}

/// Why a request is not on main.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Main could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The remote takes no such commit.
    #[error("the remote declined the push: {words}")]
    Declined {
        /// In its words.
        words: String,
        /// Where the request would have come.
        path: String,
    },
    /// It could not be pushed.
    #[error(transparent)]
    Push(PushError),
    /// Others were faster, every time.
    #[error("pushing: another writer was faster {RACES_MAX} times in a row")]
    Raced,
    /// Main says in `codex.repo.yaml` where its inbox is, and cannot be understood.
    #[error("{0}")]
    Contract(String),
    /// Objects could not be read or written.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Puts a request into the inbox.
///
/// # Errors
/// [`SubmitError`]; unless it is in doubt, nothing is on main then.
pub fn submit(
    repo: &mut Repo,
    draft: &Draft,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<Submitted, SubmitError> {
    let mut tip = fetch(repo)?.commit;
    for race in 0..RACES_MAX {
        let (path, commit) = build(repo, tip, draft, identity, clock)?;
        let pushed = repo.push(Some(tip), commit);
        let error = match pushed {
            Ok(()) => {
                // The request is on main by now, whatever becomes of the work tree.
                follow(repo, commit);
                return Ok(Submitted { path, commit });
            }
            Err(error) => error,
        };
        if error.class == PushClass::Configuration {
            return Err(SubmitError::Push(error));
        }
        let before = std::mem::replace(&mut tip, fetch(repo)?.commit);
        if repo.is_ancestor(commit, tip)? {
            // The answer was lost, and it has landed.
            follow(repo, tip);
            return Ok(Submitted { path, commit });
        }
        match error.class {
            PushClass::LostRace => {}
            // The branch moved while a hook or the network spoke: their words may have been about that.
            _ if tip != before => {}
            PushClass::Declined | PushClass::TooLarge => {
                return Err(SubmitError::Declined { words: error.words, path });
            }
            _ => return Err(SubmitError::Push(error)),
        }
        std::thread::sleep(jitter(race));
    }
    Err(SubmitError::Raced)
}

/// The tip of main. A dispatcher that works on the same object cache may hold a lock there for a moment.
///
/// # Errors
/// [`FetchError`].
pub fn fetch(repo: &mut Repo) -> Result<Tip, FetchError> {
    let mut tries = 0;
    loop {
        match repo.fetch() {
            Ok(tip) => return Ok(tip),
            Err(error) if error.class == FetchClass::Other && error.words.contains("lock") && tries < FETCHES_MAX => {
                tries += 1;
                std::thread::sleep(jitter(tries));
            }
            Err(error) => return Err(error),
        }
    }
}

fn build(
    repo: &Repo,
    tip: Oid,
    draft: &Draft,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<(String, Oid), SubmitError> {
    let (config, _) = contract::load_config(repo, tip).map_err(|error| SubmitError::Contract(error.to_string()))?;
    let mut given = BTreeSet::new();
    let path = loop {
        let path = inbox::free_path(repo, tip, &config.inbox, &draft.stem, &mut given)?;
        // Without a remote the work tree has to follow, and something of the user's may lie there.
        let dirty = matches!(repo.origin(), Origin::Local) && !repo.dirty_paths(&[&path])?.is_empty();
        if !dirty {
            break path;
        }
    };
    let write = Write::file(path.clone(), Content::Bytes(draft.text.clone().into_bytes()));
    let changeset = Changeset { removals: Vec::new(), writes: vec![write] };
    let message = format!("{}\n", draft.subject);
    let built = repo.commit_on(Some(tip), &changeset, &message, identity, identity, clock.now().as_second())?;
    Ok((path, built.commit))
}

/// A short random pause, so that two writers do not meet again at once.
fn jitter(race: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(random * u64::from(race.min(8) + 1) / 8)
}
