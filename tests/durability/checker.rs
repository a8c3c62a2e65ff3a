//! Holds every commit of main against what was submitted and what handlers witnessed. Knows nothing of how the
//! dispatcher works but the formats that it promises (docs/record.md), and believes none of its words unheard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use codex_dispatch::record::Record;
use codex_dispatch::record::commit::{TRAILER_ID, TRAILER_OUTCOME, TRAILER_STATE, trailers};
use git2::{Delta, Oid, Repository};

use crate::rig::{Rig, Submission};
use crate::witness::Event;
use crate::{record, testimony};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A request has no record, or is in no place.
    Lost,
    /// A request started or was recorded more often than it may be, or is in two places.
    Duplicated,
    /// A commit that takes a request has not all of its record, or a record is not what it should be.
    Torn,
    /// A step that is not on the disk when what follows it happens: only a power cut shows it in what is left.
    Unsynced,
    /// Something that was recorded, or a request in the archive, is not what it was.
    Changed,
    /// A record says what nobody has witnessed, or not what was witnessed.
    Untrue,
    /// A start that stands in no record.
    Unrecorded,
    /// Two handlers at once on one resource.
    Overlap,
    /// Not in the order of main on one resource.
    Order,
    /// A commit of somebody else was lost, or something of theirs was touched.
    Foreign,
    /// The repository is not sound.
    Unsound,
    /// It does not come to rest.
    Restless,
    /// Something is left behind.
    Leftover,
}

/// The three sums of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Lost,
    Duplicated,
    Torn,
}

impl Fault {
    pub const ALL: [Self; 13] = [
        Self::Lost,
        Self::Duplicated,
        Self::Torn,
        Self::Unsynced,
        Self::Changed,
        Self::Untrue,
        Self::Unrecorded,
        Self::Overlap,
        Self::Order,
        Self::Foreign,
        Self::Unsound,
        Self::Restless,
        Self::Leftover,
    ];

    /// Where it counts in a report.
    pub fn class(self) -> Class {
        match self {
            Self::Lost | Self::Foreign | Self::Unrecorded | Self::Restless => Class::Lost,
            Self::Duplicated | Self::Overlap | Self::Order => Class::Duplicated,
            Self::Torn | Self::Unsynced | Self::Changed | Self::Untrue | Self::Unsound | Self::Leftover => Class::Torn,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Torn => "torn",
            Self::Unsynced => "unsynced",
            Self::Changed => "changed",
            Self::Untrue => "untrue",
            Self::Unrecorded => "unrecorded",
            Self::Overlap => "overlap",
            Self::Order => "order",
            Self::Foreign => "foreign",
            Self::Unsound => "unsound",
            Self::Restless => "restless",
            Self::Leftover => "leftover",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub fault: Fault,
    /// The request.
    pub id: Option<String>,
    /// The commit of main.
    pub commit: Option<String>,
    pub words: String,
}

impl Violation {
    /// Of no one request and no one commit.
    pub fn new(fault: Fault, words: impl Into<String>) -> Self {
        Self { fault, id: None, commit: None, words: words.into() }
    }

    /// Of one request.
    pub fn of(fault: Fault, id: &str, words: impl Into<String>) -> Self {
        Self { id: Some(id.to_owned()), ..Self::new(fault, words) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault.word())?;
        if let Some(id) = &self.id {
            write!(f, " {id}")?;
        }
        if let Some(commit) = &self.commit {
            write!(f, " at {commit}")?;
        }
        write!(f, ": {}", self.words)
    }
}

/// What is judged.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The repository whose main is the truth.
    pub repository: PathBuf,
    /// In the order in which they came to main.
    pub submissions: Vec<Submission>,
    /// Commits on main that are no dispatcher's.
    pub commits: BTreeSet<String>,
    /// What handlers reported.
    pub events: Vec<Event>,
    /// Every host has done what it could: nothing may be open any more.
    pub settled: bool,
    /// Something was done to it: a request may have come to another end than it would have by itself.
    pub disturbed: bool,
    /// Nothing was done that lets a request give up its place in the queue (a full disk does: what is held waits outside).
    pub ordered: bool,
}

/// Judges a settled rig that faults were done to.
pub fn check(rig: &Rig) -> io::Result<Vec<Violation>> {
    judge(&rig.evidence()?)
}

/// Judges.
pub fn judge(evidence: &Evidence) -> io::Result<Vec<Violation>> {
    let repository = Repository::open(&evidence.repository).map_err(io::Error::other)?;
    let mut judge = Judge::new(evidence, &repository);
    judge.history().map_err(io::Error::other)?;
    judge.soundness()?;
    judge.refs().map_err(io::Error::other)?;
    let Judge { mut found, records, positions, .. } = judge;
    found.extend(testimony::against_records(evidence, &records));
    found.extend(testimony::at_once(&evidence.events));
    found.extend(testimony::out_of_order(evidence, &positions));
    Ok(found)
}

/// A path that differs between a commit and its first parent.
struct Change {
    path: String,
    old: Option<(Oid, u32)>,
    new: Option<(Oid, u32)>,
}

/// A record as it came to main.
pub struct Recorded {
    pub commit: String,
    pub record: Record,
}

struct Judge<'e> {
    evidence: &'e Evidence,
    repository: &'e Repository,
    by_blob: BTreeMap<&'e str, &'e Submission>,
    /// Position of each commit of main on its first-parent line.
    positions: BTreeMap<String, usize>,
    /// Where each request's blob lies: paths in the inbox and in the archive.
    places: BTreeMap<&'e str, BTreeSet<String>>,
    records: BTreeMap<String, Recorded>,
    /// Every path that a dispatcher wrote.
    recorded: BTreeSet<String>,
    found: Vec<Violation>,
}

impl<'e> Judge<'e> {
    fn new(evidence: &'e Evidence, repository: &'e Repository) -> Self {
        let by_blob = evidence.submissions.iter().map(|one| (one.blob.as_str(), one)).collect();
        Self {
            evidence,
            repository,
            by_blob,
            positions: BTreeMap::new(),
            places: BTreeMap::new(),
            records: BTreeMap::new(),
            recorded: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    fn say(&mut self, fault: Fault, id: Option<&str>, commit: Option<&str>, words: impl Into<String>) {
        let (id, commit) = (id.map(str::to_owned), commit.map(str::to_owned));
        self.found.push(Violation { fault, id, commit, words: words.into() });
    }

    // ---- main ----

    fn history(&mut self) -> Result<(), git2::Error> {
        let tip = self.repository.refname_to_id("refs/heads/main")?;
        let mut walk = self.repository.revwalk()?;
        walk.push(tip)?;
        walk.simplify_first_parent()?;
        walk.set_sorting(git2::Sort::REVERSE | git2::Sort::TOPOLOGICAL)?;
        let main: Vec<Oid> = walk.collect::<Result<_, _>>()?;
        self.positions = main.iter().enumerate().map(|(position, commit)| (commit.to_string(), position)).collect();
        self.nobody_was_overwritten(tip)?;
        for commit in main {
            self.commit(commit)?;
        }
        Ok(())
    }

    /// What once was on main has to be on it still.
    fn nobody_was_overwritten(&mut self, tip: Oid) -> Result<(), git2::Error> {
        for commit in &self.evidence.commits {
            let oid = Oid::from_str(commit)?;
            if oid != tip && !self.repository.graph_descendant_of(tip, oid)? {
                self.say(Fault::Foreign, None, Some(commit), "a commit of another writer is not on main any more");
            }
        }
        for entry in self.repository.reflog("refs/heads/main")?.iter() {
            let (old, new) = (entry.id_old(), entry.id_new());
            if !old.is_zero() && old != new && !self.repository.graph_descendant_of(new, old).unwrap_or(false) {
                let words = format!("main was moved from {old}, which is not in its history");
                self.say(Fault::Foreign, None, Some(&new.to_string()), words);
            }
        }
        Ok(())
    }

    fn commit(&mut self, oid: Oid) -> Result<(), git2::Error> {
        let name = oid.to_string();
        let commit = self.repository.find_commit(oid)?;
        let changes = self.changes(&commit)?;
        let touched = self.follow(&changes);
        let message = commit.message().unwrap_or_default().to_owned();
        if self.evidence.commits.contains(&name) {
            for change in &changes {
                if !self.recorded.contains(&change.path) {
                    continue;
                }
                self.say(Fault::Changed, None, Some(&name), format!("`{}` by another writer", change.path));
            }
        } else if trailers(&message, TRAILER_STATE).next().is_some() {
            if commit.parent_count() != 1 {
                self.say(Fault::Foreign, None, Some(&name), "a record commit that is no plain child of main");
            }
            self.record_commit(&commit, &message, &changes)?;
        } else {
            self.say(Fault::Foreign, None, Some(&name), format!("nobody's commit: {message}"));
        }
        self.one_place_each(&name, &touched);
        Ok(())
    }

    fn changes(&self, commit: &git2::Commit<'_>) -> Result<Vec<Change>, git2::Error> {
        let before = commit.parents().next().map(|parent| parent.tree()).transpose()?;
        let mut options = git2::DiffOptions::new();
        options.include_typechange(true);
        let diff = self.repository.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        let side = |file: git2::DiffFile<'_>| (file.id(), u32::from(file.mode()));
        let changes = diff.deltas().map(|delta| Change {
            path: delta.new_file().path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            old: (delta.status() != Delta::Added).then(|| side(delta.old_file())),
            new: (delta.status() != Delta::Deleted).then(|| side(delta.new_file())),
        });
        Ok(changes.collect())
    }

    /// Keeps account of where each request lies; gives those that moved.
    fn follow(&mut self, changes: &[Change]) -> BTreeSet<&'e str> {
        let mut touched = BTreeSet::new();
        let kept = |path: &str| path.starts_with("requests/") || path.starts_with("processed/");
        for change in changes.iter().filter(|change| kept(&change.path)) {
            for (side, is_new) in [(change.old, false), (change.new, true)] {
                let Some((oid, _)) = side else { continue };
                let Some((&blob, _)) = self.by_blob.get_key_value(oid.to_string().as_str()) else { continue };
                let places = self.places.entry(blob).or_default();
                if is_new {
                    places.insert(change.path.clone())
                } else {
                    places.remove(&change.path)
                };
                touched.insert(blob);
            }
        }
        touched
    }

    fn one_place_each(&mut self, commit: &str, touched: &BTreeSet<&'e str>) {
        for blob in touched {
            let submission = self.by_blob[blob];
            let places: Vec<String> = self.places[blob].iter().cloned().collect();
            match places.len() {
                1 => {}
                0 if submission.superseded => {}
                0 => {
                    let words = "neither in the inbox nor in the archive";
                    self.say(Fault::Lost, Some(&submission.id), Some(commit), words);
                }
                _ => {
                    let words = format!("in {} places: {}", places.len(), places.join(", "));
                    self.say(Fault::Duplicated, Some(&submission.id), Some(commit), words);
                }
            }
        }
    }

    /// A commit of a dispatcher: requests that leave, each with archive and record, and nothing else.
    fn record_commit(
        &mut self,
        commit: &git2::Commit<'_>,
        message: &str,
        changes: &[Change],
    ) -> Result<(), git2::Error> {
        let name = commit.id().to_string();
        let mut left: BTreeMap<String, (String, u32)> = BTreeMap::new();
        let mut archived: BTreeMap<String, (String, u32)> = BTreeMap::new();
        let mut files: BTreeMap<String, Oid> = BTreeMap::new();
        for change in changes {
            let path = &change.path;
            match (change.old, change.new) {
                (Some((oid, mode)), None) if path.starts_with("requests/") => {
                    left.insert(oid.to_string(), (path.clone(), mode));
                }
                (None, Some((oid, mode))) if path.starts_with("processed/") => {
                    archived.insert(path.clone(), (oid.to_string(), mode));
                }
                (None, Some((oid, _))) if path.starts_with("logs/") => {
                    files.insert(path.clone(), oid);
                }
                _ if path.starts_with("logs/") || path.starts_with("processed/") => {
                    self.say(Fault::Changed, None, Some(&name), format!("`{path}`, which was recorded before"));
                }
                _ => {
                    let words = format!("`{path}` is none of a dispatcher's business");
                    self.say(Fault::Foreign, None, Some(&name), words);
                }
            }
        }
        self.recorded.extend(archived.keys().chain(files.keys()).cloned());
        let ids: Vec<&str> = trailers(message, TRAILER_ID).collect();
        let outcomes: Vec<&str> = trailers(message, TRAILER_OUTCOME).collect();
        let mut told: BTreeMap<&str, &str> = ids.iter().copied().zip(outcomes.iter().copied()).collect();
        if told.len() != ids.len() || outcomes.len() != ids.len() {
            self.say(Fault::Torn, None, Some(&name), "its trailers do not name each request once with its outcome");
        }
        for (path, (blob, mode)) in &archived {
            let Some(&submission) = self.by_blob.get(blob.as_str()) else {
                let words = format!("`{path}` holds what nobody submitted ({blob})");
                self.say(Fault::Changed, None, Some(&name), words);
                continue;
            };
            let id = Some(submission.id.as_str());
            match left.remove(blob) {
                Some((from, old)) if from != submission.path || old != *mode => {
                    self.say(Fault::Changed, id, Some(&name), format!("archived from `{from}`, or with another mode"));
                }
                None if !submission.superseded => {
                    self.say(Fault::Torn, id, Some(&name), "archived by a commit that does not take it from the inbox");
                }
                _ => {}
            }
            let place = path.trim_start_matches("processed/").trim_end_matches(".yaml").trim_end_matches(".yml");
            let folder = format!("logs/{place}/");
            let own: BTreeMap<String, Oid> =
                files.iter().filter_map(|(file, oid)| Some((file.strip_prefix(&folder)?.to_owned(), *oid))).collect();
            files.retain(|file, _| !file.starts_with(&folder));
            let outcome = told.remove(submission.id.as_str());
            self.record(submission, &name, outcome, &own)?;
        }
        for (blob, (path, _)) in left {
            let id = self.by_blob.get(blob.as_str()).map(|submission| submission.id.clone());
            let words = format!("`{path}` is taken from the inbox and put nowhere");
            self.say(Fault::Torn, id.as_deref(), Some(&name), words);
        }
        for file in files.keys() {
            self.say(Fault::Torn, None, Some(&name), format!("`{file}` belongs to no request that this commit takes"));
        }
        for id in told.keys() {
            self.say(Fault::Torn, Some(id), Some(&name), "named by a commit that does not archive it");
        }
        Ok(())
    }

    /// One record, whole: its files are there, and say of the request what is true.
    fn record(
        &mut self,
        submission: &Submission,
        commit: &str,
        outcome: Option<&str>,
        files: &BTreeMap<String, Oid>,
    ) -> Result<(), git2::Error> {
        let id = submission.id.as_str();
        let mut content = BTreeMap::new();
        for (name, oid) in files {
            content.insert(name.clone(), self.repository.find_blob(*oid)?.content().to_vec());
        }
        let (record, mut torn) = record::read(submission, &content);
        let Some(record) = record else {
            self.found.extend(
                torn.into_iter().map(|words| Violation {
                    commit: Some(commit.to_owned()),
                    ..Violation::of(Fault::Torn, id, words)
                }),
            );
            return Ok(());
        };
        if outcome != Some(record.outcome.as_str()) {
            torn.push(format!("the commit says {outcome:?}, the record {}", record.outcome));
        }
        match self.positions.get(&record.commit).zip(self.positions.get(&submission.commit)) {
            Some((admitted, introduced)) if admitted >= introduced && admitted < &self.positions[commit] => {}
            _ => torn.push(format!("it was admitted by {}, which is not between its request and it", record.commit)),
        }
        for words in torn {
            self.say(Fault::Torn, Some(id), Some(commit), words);
        }
        if let Some(earlier) = self.records.get(id) {
            let words = format!("recorded by {} already", earlier.commit);
            self.say(Fault::Duplicated, Some(id), Some(commit), words);
            return Ok(());
        }
        self.records.insert(id.to_owned(), Recorded { commit: commit.to_owned(), record });
        Ok(())
    }

    /// Nobody works any more, so nobody has anything for itself.
    fn refs(&mut self) -> Result<(), git2::Error> {
        if !self.evidence.settled {
            return Ok(());
        }
        for pattern in ["refs/dispatch/claims/*", "refs/dispatch/locks/*", "refs/dispatch/probe/*"] {
            for reference in self.repository.references_glob(pattern)? {
                let name = reference?.name().unwrap_or_default().to_owned();
                self.say(Fault::Leftover, None, None, format!("`{name}` stands with all done"));
            }
        }
        Ok(())
    }

    fn soundness(&mut self) -> io::Result<()> {
        let output = Command::new("git")
            .current_dir(&self.evidence.repository)
            .args(["-c", "safe.directory=*", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"])
            .env("LC_ALL", "C")
            .output()?;
        let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() || !words.trim().is_empty() {
            self.say(Fault::Unsound, None, None, format!("git fsck: {}", words.trim()));
        }
        Ok(())
    }
}
