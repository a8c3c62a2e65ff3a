//! Retention: what of old records leaves main (`retention: {output: 90d}` in codex.repo.yaml), and the commit in which it does.
//!
//! Of a record `status.yml`, `dispatch.log` and `error.log` stay for good: what was asked, what ran and how it ended, and the
//! digest of the log. The output, the event log and artifacts go. Owns which these are, the walk that finds them in bounded
//! slices, and the push. A commit of it takes files away and names no request, so that nobody who reads records in history
//! takes it for one. Nothing is written down before it and nothing has to be undone: whoever repeats it finds it done.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::archive;
use crate::clock::Clock;
use crate::config::{Layout, RepoConfig};
use crate::publish::follow;
use crate::record::commit;
use crate::repo::{
    Changeset, FetchError, Identity, MODE_EXECUTABLE, MODE_FILE, MODE_FOLDER, Oid, Origin, PushClass, PushError,
    Removal, Repo, RepoError, TreeEntry,
};
use crate::submit;

/// What stays of a record.
pub const KEPT: [&str; 3] = ["status.yml", "dispatch.log", "error.log"];
const STATUS: &str = "status.yml";
/// The longest `status.yml` that is read.
const STATUS_BYTES_MAX: u64 = 16 << 20;
/// A record's folder lies at most so far below the output folder.
const DEPTH_MAX: usize = 6;
/// How often a lost race is run again.
const RACES_MAX: u32 = 5;
/// A request may end later than the day whose folder it has: days behind the last sweep are looked at again.
const MARGIN: Duration = Duration::from_hours(24 * 14);

/// What one slice is about.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// What is old enough.
    pub age: &'a Age,
    /// Where the slice before it stopped.
    pub from: Option<&'a str>,
    /// How much is done at once.
    pub bounds: Bounds,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Folders that are read.
    pub folders_max: usize,
    /// Records whose files leave main, which is in one commit.
    pub records_max: usize,
}

/// What is old enough.
#[derive(Clone, Debug)]
pub struct Age {
    /// How long output is kept.
    pub span: Duration,
    /// Requests that ended before this moment.
    pub before: Timestamp,
    /// In a dated layout nothing before this day need be looked at.
    pub since: Option<Timestamp>,
}

/// A record that is old enough, and what of it leaves main.
#[derive(Clone, Debug)]
pub struct Aged {
    /// Its folder, from the repository root.
    pub folder: String,
    /// When it ended, as it says itself.
    pub finished_at: Option<String>,
    /// The files and folders that go.
    pub removals: Vec<Removal>,
}

/// One stretch of the walk.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// What goes.
    pub aged: Vec<Aged>,
    /// Where the walk goes on, below the output folder; `None` where it came to its end.
    pub next: Option<String>,
}

/// What one slice has come to.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// Records whose files are gone.
    pub aged: Vec<Aged>,
    /// The commit on main, where there was something to do.
    pub commit: Option<Oid>,
    /// Where the walk goes on.
    pub next: Option<String>,
    /// Records that stay for now, because something of them is changed in the work tree.
    pub dirty: usize,
}

/// How far a dispatcher has come, in its journal: safe to lose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where the sweep under way goes on.
    pub next: Option<String>,
    /// When the sweep under way began.
    pub begun: Option<String>,
    /// What had ended before this moment has been swept.
    pub swept: Option<String>,
    /// When everything was last looked at, and not only the youngest days.
    pub whole: Option<String>,
    /// Not before this moment.
    pub due: Option<String>,
}

/// Who makes the commit.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// Its author and committer.
    pub identity: &'a Identity,
    /// The state folder of a dispatcher; none where nothing was ever dispatched here.
    pub state: Option<Uuid>,
}

/// Why nothing was pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Main could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The commit was not taken.
    #[error("pushing the commit that prunes old output: {0}")]
    Push(PushError),
    /// Objects could not be read or written.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// Finds what is old enough in one stretch of the walk.
///
/// # Errors
/// [`RepoError`] where the tree cannot be read.
pub fn slice(repo: &Repo, tip: Oid, config: &RepoConfig, reach: Reach<'_>) -> Result<Slice, RepoError> {
    let dated = config.layout == Layout::Dated;
    let until = dated.then(|| day_of(reach.age.before));
    // A request may be much older than its end, never younger.
    let since = reach.age.since.filter(|_| dated).and_then(|since| since.checked_sub(MARGIN).ok()).map(day_of);
    let mut walk = Walk { repo, tip, config, reach, until, since, looked: 0, slice: Slice::default() };
    walk.go("", 0)?;
    Ok(walk.slice)
}

/// Takes one slice away from main. A lost race is run again on the new tip.
///
/// # Errors
/// [`PruneError`]; unless it is in doubt, nothing has left main then.
pub fn prune(
    repo: &mut Repo,
    mut tip: Oid,
    config: &RepoConfig,
    reach: Reach<'_>,
    author: Author<'_>,
    clock: &dyn Clock,
) -> Result<Pruned, PruneError> {
    let mut race = 0;
    loop {
        let Slice { aged, next } = slice(repo, tip, config, reach)?;
        let (aged, dirty) = without_dirty(repo, aged)?;
        if aged.is_empty() {
            return Ok(Pruned { aged, commit: None, next, dirty });
        }
        let removals = aged.iter().flat_map(|aged| aged.removals.clone()).collect();
        let changeset = Changeset { removals, writes: Vec::new() };
        let message = commit::retention_message(aged.len(), reach.age.span, author.state, &config.commit_suffix);
        let (who, time) = (author.identity, clock.now().as_second());
        let built = repo.commit_on(Some(tip), &changeset, &message, who, who, time)?.commit;
        let error = match repo.push(Some(tip), built) {
            Ok(()) => {
                follow(repo, built);
                return Ok(Pruned { aged, commit: Some(built), next, dirty });
            }
            Err(error) => error,
        };
        race += 1;
        let before = std::mem::replace(&mut tip, submit::fetch(repo)?.commit);
        if repo.is_ancestor(built, tip)? {
            // The answer was lost, and it has landed.
            follow(repo, tip);
            return Ok(Pruned { aged, commit: Some(built), next, dirty });
        }
        if error.class != PushClass::LostRace && tip == before || race >= RACES_MAX {
            return Err(PruneError::Push(error));
        }
    }
}

/// Without a remote the work tree follows, and somebody may be changing something there.
fn without_dirty(repo: &Repo, aged: Vec<Aged>) -> Result<(Vec<Aged>, usize), RepoError> {
    if !matches!(repo.origin(), Origin::Local) || aged.is_empty() {
        return Ok((aged, 0));
    }
    let folders: Vec<&str> = aged.iter().map(|aged| aged.folder.as_str()).collect();
    let dirty = repo.dirty_paths(&folders)?;
    let found = aged.len();
    let is_clean = |aged: &Aged| {
        let below = format!("{}/", aged.folder);
        // Git may name a whole folder above.
        !dirty
            .iter()
            .any(|path| path.starts_with(&below) || below.starts_with(&format!("{}/", path.trim_end_matches('/'))))
    };
    let clean: Vec<Aged> = aged.into_iter().filter(is_clean).collect();
    let left = found - clean.len();
    Ok((clean, left))
}

struct Walk<'a> {
    repo: &'a Repo,
    tip: Oid,
    config: &'a RepoConfig,
    reach: Reach<'a>,
    /// In a dated layout: no day behind this one, and none before that one.
    until: Option<[u32; 3]>,
    since: Option<[u32; 3]>,
    looked: usize,
    slice: Slice,
}

impl Walk<'_> {
    /// Looks at a folder and at what lies below it, by name; `at` is its path below the output folder.
    fn go(&mut self, at: &str, depth: usize) -> Result<(), RepoError> {
        if self.looked >= self.reach.bounds.folders_max || self.slice.aged.len() >= self.reach.bounds.records_max {
            self.slice.next = Some(at.to_owned());
            return Ok(());
        }
        self.looked += 1;
        let entries = self.repo.tree_entries(self.tip, self.full(at))?;
        // The way to where the walk goes on was looked at before.
        let is_new = self.reach.from.is_none_or(|from| !is_below(from, at));
        if is_new && !at.is_empty() {
            self.consider(at, &entries)?;
        }
        if depth >= DEPTH_MAX {
            return Ok(());
        }
        let mut names: Vec<String> = entries
            .into_iter()
            .filter(|entry| entry.mode == MODE_FOLDER)
            .filter_map(|entry| String::from_utf8(entry.name).ok())
            .collect();
        names.sort();
        for name in names {
            let below = if at.is_empty() { name } else { format!("{at}/{name}") };
            if self.is_behind(&below) || self.is_other_day(&below) {
                continue;
            }
            self.go(&below, depth + 1)?;
            if self.slice.next.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn full(&self, at: &str) -> String {
        if at.is_empty() { self.config.output.clone() } else { format!("{}/{at}", self.config.output) }
    }

    /// It was looked at before the walk stopped, with all that lies below it.
    fn is_behind(&self, at: &str) -> bool {
        self.reach.from.is_some_and(|from| at != from && !is_below(from, at) && at.split('/').lt(from.split('/')))
    }

    /// A dated folder of which nothing can be old enough, or everything has been looked at.
    fn is_other_day(&self, at: &str) -> bool {
        let numbers: Vec<u32> = at.split('/').filter_map(number).collect();
        if numbers.is_empty() || at.rsplit('/').next().and_then(number).is_none() {
            return false;
        }
        let lies = |day: Option<[u32; 3]>, order: std::cmp::Ordering| {
            day.is_some_and(|day| numbers.as_slice().cmp(&day[..numbers.len().min(3)]) == order)
        };
        lies(self.until, std::cmp::Ordering::Greater) || lies(self.since, std::cmp::Ordering::Less)
    }

    /// Whether this is a record that is old enough and has something to lose.
    fn consider(&mut self, at: &str, entries: &[TreeEntry]) -> Result<(), RepoError> {
        let is_file = |entry: &&TreeEntry| matches!(entry.mode, MODE_FILE | MODE_EXECUTABLE);
        let Some(status) = entries.iter().filter(is_file).find(|entry| entry.name == STATUS.as_bytes()) else {
            return Ok(());
        };
        let goes = |entry: &&TreeEntry| !KEPT.iter().any(|kept| kept.as_bytes() == entry.name);
        if !entries.iter().any(|entry| goes(&entry)) {
            return Ok(());
        }
        let folder = self.full(at);
        let (finished_at, is_old) = self.end_of(at, status.oid)?;
        // What lies beside no archived request is no record, whoever wrote it.
        if !is_old || !archive::is_archived(self.repo, self.tip, self.config, &folder)? {
            return Ok(());
        }
        let mut removals = Vec::new();
        for entry in entries.iter().filter(goes) {
            let path = [folder.as_bytes(), b"/", &entry.name].concat();
            if entry.mode == MODE_FOLDER && self.holds_record(&path, 0)? {
                // Another request has the name of this one as its folder.
                continue;
            }
            removals.push(Removal { path, oid: entry.oid });
        }
        if !removals.is_empty() {
            self.slice.aged.push(Aged { folder, finished_at, removals });
        }
        Ok(())
    }

    /// When a record says that it ended, and whether that is long enough ago. In a clone that has only some objects the day
    /// of its folder says it, with a margin.
    fn end_of(&self, at: &str, status: Oid) -> Result<(Option<String>, bool), RepoError> {
        if self.repo.has(status) {
            let text = self.repo.blob(status, STATUS_BYTES_MAX)?.1.and_then(|bytes| archive::finished_at(&bytes));
            let time = text.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
            return Ok((text, time.is_some_and(|time| time < self.reach.age.before)));
        }
        let steps: Vec<&str> = at.split('/').collect();
        let day = steps.windows(3).find_map(|steps| Some([number(steps[0])?, number(steps[1])?, number(steps[2])?]));
        let early = self.reach.age.before.checked_sub(MARGIN).map(day_of);
        let is_old = self.until.is_some() && day.zip(early.ok()).is_some_and(|(day, early)| day < early);
        Ok((None, is_old))
    }

    fn holds_record(&self, path: &[u8], depth: usize) -> Result<bool, RepoError> {
        for entry in self.repo.tree_entries(self.tip, path)? {
            if entry.name == STATUS.as_bytes() {
                let folder = String::from_utf8_lossy(path);
                if archive::is_archived(self.repo, self.tip, self.config, &folder)? {
                    return Ok(true);
                }
            }
            let below = [path, b"/", &entry.name].concat();
            // What lies deeper than any record is looked at no further, and stays.
            if entry.mode == MODE_FOLDER && (depth >= DEPTH_MAX || self.holds_record(&below, depth + 1)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Progress {
    /// What the journal says.
    pub fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// As [`Progress::parse`] reads it.
    pub fn to_text(&self) -> String {
        // Plain data; what cannot be told is begun anew.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether something is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        time(self.due.as_ref()).is_none_or(|due| due <= now)
    }

    /// What the next slice is about. A sweep keeps the moment at which it began.
    pub fn age(&mut self, span: Duration, now: Timestamp, whole_every: Duration) -> Option<Age> {
        if self.next.is_none() || self.begun.is_none() {
            self.begun = Some(now.to_string());
        }
        let begun = time(self.begun.as_ref())?;
        let before = begun.checked_sub(span).ok()?;
        let whole = time(self.whole.as_ref()).is_some_and(|whole| within(begun, whole, whole_every));
        Some(Age { span, before, since: time(self.swept.as_ref()).filter(|_| whole) })
    }

    /// A slice is over.
    pub fn advance(&mut self, age: &Age, next: Option<String>, now: Timestamp, pause: Duration, sweep_every: Duration) {
        let is_over = next.is_none();
        if is_over {
            self.swept = Some(age.before.to_string());
            if age.since.is_none() {
                self.whole.clone_from(&self.begun);
            }
        }
        self.next = next;
        self.put_off(now, if is_over { sweep_every } else { pause });
    }

    /// Nothing before that long.
    pub fn put_off(&mut self, now: Timestamp, pause: Duration) {
        self.due = now.checked_add(pause).ok().map(|due| due.to_string());
    }
}

fn time(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

fn within(now: Timestamp, then: Timestamp, span: Duration) -> bool {
    Duration::try_from(now.duration_since(then)).is_ok_and(|age| age < span)
}

/// Whether a path lies below a folder; everything lies below the one without a name.
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn number(step: &str) -> Option<u32> {
    step.bytes().all(|byte| byte.is_ascii_digit()).then(|| step.parse().ok()).flatten()
}

fn day_of(time: Timestamp) -> [u32; 3] {
    let date = time.to_zoned(TimeZone::UTC).date();
    [date.year(), i16::from(date.month()), i16::from(date.day())].map(|part| u32::try_from(part).unwrap_or_default())
}

#[cfg(test)]
mod tests;
