//! Publishing: from sealed parcels to a commit on main. Builds on the tip, pushes with a lease, and on a lost
//! race builds the same again on the new tip. Never runs or re-runs anything, never rewrites anybody's history.
//!
//! BUILT is journalled before the push and PUSHED after main was read back, so that a restart can tell which of our
//! commits landed. Waiting between rounds is the caller's: a round that cannot go on says why and ends.
//! What becomes of records that the server declines is decided in `declined`.

mod declined;
mod landed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::claim::Note;
use crate::clock::{Clock, utc_millis};
use crate::event::Event;
use crate::inbox;
use crate::journal::{Count, Entry, Journal, JournalError};
use crate::metrics;
use crate::planted::{self, Bug};
use crate::record::{Record, commit};
use crate::repo::{
    Changeset, Content, FetchClass, FetchError, Followed, Identity, Looking, MODE_EXECUTABLE, MODE_FILE, Oid,
    PushClass, PushError, RefChange, Removal, Repo, RepoError, Write,
};
use crate::spool::{self, Parcel, SpoolError};
use crate::state::State;
use crate::statedir::StateDir;

/// Journal key: the last tip of main that was seen.
pub const META_TIP: &str = "tip";
/// Journal key: when a record last reached main, seconds since 1970.
pub const META_PUSHED_AT: &str = "pushed_at";

/// How often a lost race is run again before the round ends.
const RACES_MAX: u32 = 20;
/// So often a push has to be declined before it is believed, where the branch moved meanwhile and the words may be about that.
const DECLINED_MIN: u32 = 2;

/// What publishing needs to know, fixed for a process.
pub struct Publisher {
    /// Its own handle on the repository.
    pub repo: Repo,
    /// The state folder.
    pub state: StateDir,
    /// The journal.
    pub journal: Arc<Mutex<Journal>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Author and committer of record commits.
    pub identity: Identity,
    /// This state folder's own name, for the trailer.
    pub state_id: Uuid,
}

/// Parcels to publish together.
pub struct Batch {
    /// The tip that was last read.
    pub tip: Oid,
    /// What is to be published, never empty.
    pub parcels: Vec<Parcel>,
    /// Ends each subject.
    pub suffix: String,
    /// What is declined may be tried with its status alone although nothing goes through.
    pub last_word: bool,
}

/// What the publisher is asked to do.
pub enum Delivery {
    /// Publish.
    Batch(Batch),
    /// Bring the user's work tree to a tip.
    Follow {
        /// The tip.
        tip: Oid,
        /// The inbox, which is made again where git took it away with its last file.
        inbox: Option<PathBuf>,
    },
}

/// How a round ended.
#[derive(Debug)]
pub struct Round {
    /// The tip of main as last read.
    pub tip: Oid,
    /// What is on main now.
    pub published: Vec<Parcel>,
    /// What is not.
    pub left: Vec<Parcel>,
    /// How often a push had to be tried again.
    pub retries: u32,
    /// The server has taken a push of ours in this round: what it declines now, it declines for what is in it.
    pub taken: bool,
    /// Why something is left.
    pub obstacle: Option<Obstacle>,
}

/// Why a round could not publish everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The remote cannot be reached or does not answer as it should.
    Network(String),
    /// The remote does not let us in.
    Auth(String),
    /// A hook or a protection declined records; it is not known to decline all.
    Declined(String),
    /// It declines even the status of a record alone, and took no other: nothing is started until it takes one.
    Closed(String),
    /// Without a remote: somebody's git has the index of the work tree.
    Busy(String),
    /// Something has to be set up first.
    Configuration(String),
    /// Main no longer contains what was there.
    Rewritten {
        /// The last tip that was seen.
        seen: String,
        /// The tip now.
        now: String,
    },
}

/// What stops publishing for good: this host cannot go on safely.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The objects could not be read or written.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Obstacle {
    /// In the words of whoever refused.
    pub fn words(&self) -> String {
        match self {
            Self::Network(words) => format!("the remote cannot be reached: {words}"),
            Self::Auth(words) => format!("the remote does not let us in: {words}"),
            Self::Declined(words) => format!("the remote declined the push: {words}"),
            Self::Closed(words) => format!("the remote declines every record, even its status alone: {words}"),
            Self::Configuration(words) | Self::Busy(words) => words.clone(),
            Self::Rewritten { seen, now } => {
                format!("main was rewritten: {seen}, which was its tip, is not in the history of {now}")
            }
        }
    }
}

impl Publisher {
    /// Brings the user's work tree to main. Where it cannot follow, nothing is lost.
    pub fn follow(&self, tip: Oid, inbox: Option<&Path>) {
        follow(&self.repo, tip);
        // Git takes the folder away with its last file, and people want to put the next request there.
        if let Some(inbox) = inbox {
            let _ = std::fs::create_dir_all(inbox);
        }
    }

    /// Publishes a batch, or as much of it as can be.
    ///
    /// # Errors
    /// [`PublishError`] where this host's own files fail; what the remote says is an [`Obstacle`].
    pub fn publish(&mut self, batch: Batch) -> Result<Round, PublishError> {
        let Batch { tip, parcels, suffix, last_word } = batch;
        // A long pass never comes to rest, and each large batch is a pack.
        if let Err(error) = self.repo.tidy_between() {
            tracing::warn!("packing our own copy of the repository: {error}");
        }
        let mut round =
            Round { tip, published: Vec::new(), left: Vec::new(), retries: 0, taken: false, obstacle: None };
        // What was declined before goes alone: it would only have the others declined with it.
        let (before, fresh): (Vec<Parcel>, Vec<Parcel>) = parcels.into_iter().partition(|parcel| parcel.declined > 0);
        let declined = match self.push_together(&mut round, fresh, &suffix)? {
            Pushed::All => Vec::new(),
            Pushed::Declined(parcels, no) => self.push_singly(&mut round, parcels, &no, &suffix)?,
            Pushed::Stopped(parcels, obstacle) => {
                round.left = parcels;
                round.obstacle = Some(obstacle);
                Vec::new()
            }
        };
        self.settle_declined(&mut round, declined, before, last_word, &suffix)?;
        Ok(round)
    }

    fn push_together(
        &mut self,
        round: &mut Round,
        mut parcels: Vec<Parcel>,
        suffix: &str,
    ) -> Result<Pushed, PublishError> {
        let mut declined = 0;
        for race in 0..RACES_MAX {
            self.drop_landed(round, &mut parcels)?;
            if parcels.is_empty() {
                return Ok(Pushed::All);
            }
            let commit = match self.build(round.tip, &mut parcels, suffix) {
                Ok(commit) => commit,
                Err(PublishError::Repo(error @ (RepoError::Taken { .. } | RepoError::BadPath { .. }))) => {
                    let words = error.to_string();
                    let [parcel] = &mut parcels[..] else {
                        return Ok(Pushed::Declined(parcels, No { words, by_size: false }));
                    };
                    let safe = format!("recovered-{}", parcel.record.id);
                    if parcel.place == safe {
                        return Ok(Pushed::Stopped(parcels, Obstacle::Configuration(words)));
                    }
                    // Something that is no folder stands on the way to its place: a plain name has no way to be blocked.
                    tracing::warn!("the record of {} goes to `{}/{safe}`: {words}", parcel.record.id, parcel.output);
                    parcel.place = safe;
                    self.keep_place(parcel)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let ends = self.claims_of(&parcels)?;
            let error = match self.repo.push_record(round.tip, commit, &ends) {
                Ok(()) => {
                    round.taken = true;
                    self.settle(round, parcels, commit)?;
                    return Ok(Pushed::All);
                }
                Err(error) => error,
            };
            round.retries += 1;
            tracing::debug!("push of {commit} on {}: {error}", round.tip);
            if error.class == PushClass::LostRace {
                // Before main is read again and not behind it: what is read is built on at once.
                std::thread::sleep(jitter(race));
            }
            declined += u32::from(matches!(error.class, PushClass::Declined | PushClass::TooLarge));
            match self.after(round, commit, &error, declined)? {
                After::Landed => {
                    round.taken = true;
                    let tip = round.tip;
                    self.settle(round, parcels, tip)?;
                    return Ok(Pushed::All);
                }
                After::Declined => {
                    let by_size = error.class == PushClass::TooLarge;
                    return Ok(Pushed::Declined(parcels, No { words: error.words, by_size }));
                }
                After::Stop(obstacle) => return Ok(Pushed::Stopped(parcels, obstacle)),
                After::Again => {}
            }
        }
        let words = format!("another writer was faster {RACES_MAX} times in a row");
        Ok(Pushed::Stopped(parcels, Obstacle::Network(words)))
    }

    /// The refs of ours that end with these records: claims and locks as the last fetch showed them. What somebody has
    /// settled meanwhile is not there any more, or not ours, and is left alone.
    fn claims_of(&self, parcels: &[Parcel]) -> Result<Vec<RefChange>, PublishError> {
        let ours = |note: &Note| note.state == self.state_id;
        let about = |note: &Note| note.request().is_some_and(|id| parcels.iter().any(|parcel| parcel.record.id == id));
        let marks = self.repo.marks()?.into_iter();
        let ending = marks.filter(|mark| mark.note.as_ref().is_some_and(|note| ours(note) && about(note)));
        Ok(ending.map(|mark| RefChange::delete(mark.name, mark.commit)).collect())
    }

    /// A push that did not say yes: any doubt is settled by reading main.
    fn after(
        &mut self,
        round: &mut Round,
        commit: Oid,
        error: &PushError,
        declined: u32,
    ) -> Result<After, PublishError> {
        if error.class == PushClass::Configuration {
            return Ok(After::Stop(Obstacle::Configuration(error.words.clone())));
        }
        let seen = round.tip;
        match self.repo.fetch() {
            Ok(tip) => round.tip = tip.commit,
            Err(fetch) => return Ok(After::Stop(obstacle_of(&fetch))),
        }
        if self.repo.is_ancestor(commit, round.tip)? {
            return Ok(After::Landed);
        }
        if !self.repo.is_ancestor(seen, round.tip)? {
            let (seen, now) = (seen.to_string(), round.tip.to_string());
            return Ok(After::Stop(Obstacle::Rewritten { seen, now }));
        }
        if seen != round.tip {
            // What was seen once must be there at the next look too, whoever looks.
            locked(&self.journal).set_meta(META_TIP, &round.tip.to_string())?;
        }
        let words = error.words.clone();
        Ok(match error.class {
            PushClass::LostRace => After::Again,
            // Asking often only locks accounts.
            PushClass::Auth => After::Stop(Obstacle::Auth(words)),
            PushClass::Declined | PushClass::TooLarge if seen == round.tip || declined >= DECLINED_MIN => {
                After::Declined
            }
            // The branch moved while a hook or the network spoke: their words may have been about that.
            _ if seen != round.tip => After::Again,
            PushClass::Busy => After::Stop(Obstacle::Busy(words)),
            _ => After::Stop(Obstacle::Network(words)),
        })
    }

    /// Builds the commit on a tip and journals it. Where somebody else wrote our place, the next free one is taken.
    fn build(&self, tip: Oid, parcels: &mut [Parcel], suffix: &str) -> Result<Oid, PublishError> {
        let (mut taken, mut new_requests) = (BTreeSet::new(), BTreeSet::new());
        let mut changeset = Changeset::default();
        let standing = self.repo.looking(tip)?;
        for parcel in parcels.iter_mut() {
            self.settle_place(&standing, parcel, &mut taken)?;
            let mut blob: Oid = parcel.blob.parse()?;
            if planted::is(Bug::EditArchived) {
                blob = standing.entry(&parcel.path)?.map_or(blob, |entry| entry.oid);
            }
            // One from a work tree may have been committed since: it is no other request for that.
            let committed = !parcel.loose || standing.entry(&parcel.path)?.is_some_and(|entry| entry.oid == blob);
            if committed && !planted::is(Bug::RequestStays) {
                changeset.removals.push(Removal { path: parcel.path.clone(), oid: blob });
            }
            let archived = format!("{}/{}{}", parcel.archive, parcel.place, parcel.extension);
            if self.has_request(parcel, blob)? {
                changeset.writes.push(Write {
                    path: archived.into_bytes(),
                    content: Content::Object(blob),
                    mode: parcel.mode,
                });
            } else {
                tracing::error!("the request {} is lost with its object: its record stands alone", parcel.record.id);
            }
            let place = format!("{}/{}", parcel.output, parcel.place);
            if parcel.reduced {
                let status = parcel.record.to_status_yaml().map_err(SpoolError::from)?.into_bytes();
                changeset.writes.push(Write::file(format!("{place}/status.yml"), Content::Bytes(status)));
            } else {
                for (name, file) in parcel.files(&self.state)? {
                    changeset.writes.push(Write::file(format!("{place}/{name}"), Content::File(file)));
                }
            }
            for request in &parcel.requests {
                let path = inbox::free_path(&self.repo, tip, &request.folder, &request.stem, &mut new_requests)?;
                changeset.writes.push(Write::file(path, Content::Bytes(request.text.clone().into_bytes())));
            }
        }
        let records: Vec<&Record> = parcels.iter().map(|parcel| &parcel.record).collect();
        let message = commit::message(&records, self.state_id, suffix);
        // Built before on this very tip: the same commit again, and not one more for each try of an outage that lasts.
        let before = self.built_before(tip, parcels)?;
        let time = before.map_or_else(|| self.clock.now().as_second(), |(_, time)| time);
        let commit_on = |base: Oid, changeset: &Changeset| {
            self.repo.commit_on(Some(base), changeset, &message, &self.identity, &self.identity, time)
        };
        let mut base = tip;
        if planted::is(Bug::RecordApart) {
            let archived = |write: &Write| matches!(write.content, Content::Object(_));
            let (writes, rest) = std::mem::take(&mut changeset.writes).into_iter().partition(archived);
            let removals = std::mem::take(&mut changeset.removals);
            base = commit_on(tip, &Changeset { removals, writes })?.commit;
            changeset.writes = rest;
        }
        let built = commit_on(base, &changeset)?;
        for path in &built.kept {
            let path = String::from_utf8_lossy(path);
            tracing::warn!(
                "`{path}` was edited or deleted after it was started: the admitted bytes are archived, what is there now is left alone"
            );
        }
        if before.is_none_or(|(commit, _)| commit != built.commit) {
            let event = Event::Built { base: tip.to_string(), commit: built.commit.to_string() };
            self.append(parcels, &event, &[])?;
        }
        Ok(built.commit)
    }

    /// The last commit that was journalled for these records, where it was built on this tip: with its time.
    fn built_before(&self, tip: Oid, parcels: &[Parcel]) -> Result<Option<(Oid, i64)>, PublishError> {
        let Some(first) = parcels.first() else { return Ok(None) };
        let row = locked(&self.journal).get(first.record.id)?;
        let Some(State::Built { commits, .. }) = row.map(|row| row.state) else { return Ok(None) };
        let Some(commit) = commits.last() else { return Ok(None) };
        let commit: Oid = commit.parse()?;
        let made = self.repo.made(commit)?.filter(|made| made.parent == Some(tip));
        Ok(made.map(|made| (commit, made.time)))
    }

    /// Where a record goes is kept for the next try; of a reduced one the whole record stays what the spool has.
    fn keep_place(&self, parcel: &Parcel) -> Result<(), PublishError> {
        if !parcel.reduced {
            spool::save(&self.state, parcel)?;
        }
        Ok(())
    }

    /// Whether the admitted object can be archived. One that was never committed, or that stood in a copy of the repository
    /// which was made anew, is written again from the bytes that the spool kept.
    fn has_request(&self, parcel: &Parcel, blob: Oid) -> Result<bool, PublishError> {
        if !matches!(parcel.mode, MODE_FILE | MODE_EXECUTABLE) || self.repo.has_whole(blob) {
            return Ok(true);
        }
        let kept = std::fs::read(self.state.spool(parcel.record.id).join("request")).unwrap_or_default();
        Ok(self.repo.write_blob(&kept)? == blob)
    }

    fn settle_place(
        &self,
        standing: &Looking<'_>,
        parcel: &mut Parcel,
        taken: &mut BTreeSet<String>,
    ) -> Result<(), PublishError> {
        let wanted = parcel.place.clone();
        for number in 2.. {
            if is_free_in(standing, &parcel.output, &parcel.archive, &parcel.place)?
                && taken.insert(parcel.place.to_lowercase())
            {
                break;
            }
            parcel.place = format!("{wanted}-{number}");
        }
        if parcel.place != wanted {
            tracing::warn!(
                "`{}/{wanted}` is taken on main: the record of {} goes to `{}`",
                parcel.output,
                parcel.record.id,
                parcel.place
            );
            self.keep_place(parcel)?;
        }
        Ok(())
    }

    fn settle(&self, round: &mut Round, parcels: Vec<Parcel>, tip: Oid) -> Result<(), PublishError> {
        round.tip = tip;
        let times = std::mem::take(&mut round.retries);
        let retries: Vec<Count> = (times > 0).then(|| metrics::push_retries(times)).into_iter().collect();
        self.append(&parcels, &Event::Pushed { tip: tip.to_string() }, &retries)?;
        let (tip, now) = (tip.to_string(), self.clock.now().as_second().to_string());
        locked(&self.journal).set_metas(&[(META_TIP, &tip), (META_PUSHED_AT, &now)])?;
        round.published.extend(parcels);
        Ok(())
    }

    fn append(&self, parcels: &[Parcel], event: &Event, counts: &[Count]) -> Result<(), PublishError> {
        locked(&self.journal).append(&utc_millis(self.clock.now()), &entries(parcels, event), counts)?;
        Ok(())
    }
}

/// The same step of each of them.
fn entries(parcels: &[Parcel], event: &Event) -> Vec<Entry> {
    parcels.iter().map(|parcel| Entry { id: parcel.record.id, event: event.clone() }).collect()
}

/// Brings the user's work tree to a tip, and says where it could not follow.
pub fn follow(repo: &Repo, tip: Oid) {
    match repo.follow(tip) {
        Ok(Followed::Followed) => {}
        // Without a remote the branch has moved under the work tree: the next commit there would undo the record.
        Ok(Followed::Skipped(why)) if repo.is_behind() => {
            tracing::warn!(
                "the work tree was left behind ({why}): `git status` shows what differs, `git reset` or a checkout brings it up"
            );
        }
        Ok(Followed::Skipped(why)) => tracing::debug!("the work tree was left alone: {why}"),
        Err(error) => tracing::warn!("bringing the work tree up: {error}"),
    }
}

/// Whether a record can stand at a place of a tip.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn is_free(repo: &Repo, tip: Oid, output: &str, archive: &str, place: &str) -> Result<bool, RepoError> {
    is_free_in(&repo.looking(tip)?, output, archive, place)
}

fn is_free_in(standing: &Looking<'_>, output: &str, archive: &str, place: &str) -> Result<bool, RepoError> {
    for path in [format!("{output}/{place}"), format!("{archive}/{place}.yml"), format!("{archive}/{place}.yaml")] {
        if standing.exists(path)? && !planted::is(Bug::AnyPlace) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The journal, whatever a thread that held it died of: `SQLite` has rolled back what was not committed.
pub fn locked(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a failed fetch means for publishing.
pub fn obstacle_of(error: &FetchError) -> Obstacle {
    let words = error.to_string();
    match error.class {
        FetchClass::Auth => Obstacle::Auth(words),
        FetchClass::Configuration | FetchClass::Protocol | FetchClass::Empty => Obstacle::Configuration(words),
        FetchClass::Network | FetchClass::Corrupt | FetchClass::Other => Obstacle::Network(words),
    }
}

enum Pushed {
    All,
    Declined(Vec<Parcel>, No),
    Stopped(Vec<Parcel>, Obstacle),
}

/// How the server declined.
#[derive(Clone, Debug)]
struct No {
    words: String,
    /// For its size, which no later try makes smaller.
    by_size: bool,
}

enum After {
    Landed,
    Again,
    Declined,
    Stop(Obstacle),
}

/// A short random pause, so that two writers do not meet again at once.
fn jitter(race: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(random * u64::from(race.min(8) + 1) / 8)
}
