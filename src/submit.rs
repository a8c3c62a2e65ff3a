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
    /// Name of its file without ending, perhaps with one folder before it; where that is taken a number comes behind it.
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
    /// There is a branch of the name that was asked for.
    #[error("there is a branch `{0}` already")]
    BranchTaken(String),
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
///
/// # Panics
/// Never: there is a path for each draft.
pub fn submit(
    repo: &mut Repo,
    draft: &Draft,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<Submitted, SubmitError> {
    let (paths, commit) = submit_all(repo, std::slice::from_ref(draft), &draft.subject, identity, clock)?;
    let path = paths.into_iter().next().expect("one path for each draft");
    Ok(Submitted { path, commit })
}

/// Puts requests into the inbox by one commit, all of them or none; gives their paths and that commit.
///
/// # Errors
/// As [`submit`].
pub fn submit_all(
    repo: &mut Repo,
    drafts: &[Draft],
    message: &str,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<(Vec<String>, Oid), SubmitError> {
    let mut tip = fetch(repo)?.commit;
    for race in 0..RACES_MAX {
        let (paths, commit) = build(repo, tip, drafts, message, identity, clock)?;
        let pushed = repo.push(Some(tip), commit);
        let error = match pushed {
            Ok(()) => {
                // The request is on main by now, whatever becomes of the work tree.
                follow(repo, commit);
                return Ok((paths, commit));
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
            return Ok((paths, commit));
        }
        match error.class {
            PushClass::LostRace => {}
            // The branch moved while a hook or the network spoke: their words may have been about that.
            _ if tip != before => {}
            PushClass::Declined | PushClass::TooLarge => return Err(declined(error, &paths)),
            _ => return Err(SubmitError::Push(error)),
        }
        std::thread::sleep(jitter(race));
    }
    Err(SubmitError::Raced)
}

/// Puts requests onto a new branch, one commit ahead of main, for somebody to merge.
///
/// # Errors
/// [`SubmitError`], and [`SubmitError::BranchTaken`] where there is a branch of that name.
pub fn propose(
    repo: &mut Repo,
    branch: &str,
    drafts: &[Draft],
    message: &str,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<(Vec<String>, Oid), SubmitError> {
    let tip = fetch(repo)?.commit;
    let (paths, commit) = build(repo, tip, drafts, message, identity, clock)?;
    match repo.push_new_branch(branch, commit) {
        Ok(()) => Ok((paths, commit)),
        Err(error) => Err(match error.class {
            PushClass::LostRace => SubmitError::BranchTaken(branch.to_owned()),
            PushClass::Declined | PushClass::TooLarge => declined(error, &paths),
            _ => SubmitError::Push(error),
        }),
    }
}

fn declined(error: PushError, paths: &[String]) -> SubmitError {
    SubmitError::Declined { words: error.words, path: paths.first().cloned().unwrap_or_default() }
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
    drafts: &[Draft],
    message: &str,
    identity: &Identity,
    clock: &dyn Clock,
) -> Result<(Vec<String>, Oid), SubmitError> {
    let (config, _) = contract::load_config(repo, tip).map_err(|error| SubmitError::Contract(error.to_string()))?;
    let mut given = BTreeSet::new();
    let (mut paths, mut writes) = (Vec::new(), Vec::new());
    for draft in drafts {
        let (folder, stem) = match draft.stem.rsplit_once('/') {
            Some((folder, stem)) => (format!("{}/{folder}", config.inbox), stem),
            None => (config.inbox.clone(), draft.stem.as_str()),
        };
        let path = loop {
            let path = inbox::free_path(repo, tip, &folder, stem, &mut given)?;
            // Without a remote the work tree has to follow, and something of the user's may lie there.
            let dirty = matches!(repo.origin(), Origin::Local) && !repo.dirty_paths(&[&path])?.is_empty();
            if !dirty {
                break path;
            }
        };
        writes.push(Write::file(path.clone(), Content::Bytes(draft.text.clone().into_bytes())));
        paths.push(path);
    }
    let changeset = Changeset { removals: Vec::new(), writes };
    let message = format!("{message}\n");
    let built = repo.commit_on(Some(tip), &changeset, &message, identity, identity, clock.now().as_second())?;
    Ok((paths, built.commit))
}

/// A short random pause, so that two writers do not meet again at once.
fn jitter(race: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(random * u64::from(race.min(8) + 1) / 8)
}
