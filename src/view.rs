//! What a person or an agent may know about requests: pending ones from main and the journal, ended ones from the
//! journal or, in a clone where nothing ever ran, from the records on main. Reads only, but for the index of a large archive.

mod find;

mod elsewhere;
mod line;

mod pauses;

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;

pub use line::Line;

use crate::admit::{self, Verdict};
use crate::archive::{self, Effort, Index};
use crate::clock::{Clock, System, utc_millis};
use crate::command::Resolution;
use crate::config::RepoConfig;
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::dispatch::{self, Held, HeldBy, Standing, resolutions};
use crate::event::Event;
use crate::hand_in;
use crate::host::Host;
use crate::host_status::{HostStatus, There};
use crate::id::RequestId;
use crate::inbox::{self, Entry};
use crate::job::Delivery;
use crate::journal::{Journal, JournalError, Row};
use crate::lock::Instance;
use crate::outcome::Outcome;
use crate::pause::Pause;
use crate::record::Record;
use crate::repo::{self, Oid, Open, Repo, RepoError};
use crate::request::{self, Target};
use crate::spool;
use crate::state::{Act, State};
use crate::statedir::StateDir;

mod record;

pub use record::{OWN_FILES, Published};

/// The longest record file that is read whole.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Records on main that are looked through, the youngest first, for what the journal here does not know.
const RECORDS_MAX: usize = 20_000;

/// How far a request has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It waits, runs, or has ended and its record is not on main yet.
    UnderWay(Line),
    /// It has ended, and its record is on main.
    Over(Line),
    /// It was taken out of the inbox before it was started.
    Withdrawn,
}

/// Everything that is read to answer.
pub struct View {
    repo: Repo,
    state: StateDir,
    journal: Option<Journal>,
    host: Host,
    tip: Option<Oid>,
    config: RepoConfig,
    /// Kinds and their schemas, which most questions are not about.
    contract: OnceCell<Result<Contract, Vec<Diagnostic>>>,
    standing: Option<Standing>,
    /// What people have paused here, as far as it is in force now.
    pauses: Vec<Pause>,
    /// What hosts say of themselves, as it was fetched last, read at most once.
    hosts: OnceCell<Vec<HostStatus>>,
    /// What people have said of requests on main, read at most once.
    said: OnceCell<BTreeMap<RequestId, Resolution>>,
    /// The index of the archive as it stands, opened at most once.
    index: OnceCell<Option<Index>>,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The repository.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No request goes by that word.
    #[error("there is no request `{word}`")]
    Unknown {
        /// What was asked for.
        word: String,
        /// The nearest name, as a question.
        nearest: Option<String>,
    },
    /// Several do.
    #[error("`{word}` may mean {}", ids.join(", "))]
    Ambiguous {
        /// What was asked for.
        word: String,
        /// What it may mean.
        ids: Vec<String>,
    },
}

impl View {
    /// Reads main as the clone knows it, the journal and what the last pass said.
    ///
    /// # Errors
    /// [`ViewError`] where something is there and cannot be read.
    pub fn open(repo: Repo, state: StateDir, journal: Option<Journal>, host: Host) -> Result<Self, ViewError> {
        let tip = repo.known_tip();
        let config = config_at(&repo, tip)?;
        let standing = Standing::read(&state);
        let mut pauses = dispatch::pauses(journal.as_ref(), &hand_in::all(&state))?;
        let now = System::new().now();
        pauses.retain(|pause| !pause.is_over(now));
        let (contract, said, hosts, index) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Self { repo, state, journal, host, tip, config, contract, standing, pauses, hosts, said, index })
    }

    /// Looks again: for who waits until something has happened.
    ///
    /// # Errors
    /// [`ViewError`], as [`View::open`].
    pub fn refresh(&mut self) -> Result<(), ViewError> {
        if self.journal.is_none() {
            self.journal = Journal::open_to_read(self.state.root())?;
        }
        self.standing = Standing::read(&self.state);
        self.said.take();
        self.index.take();
        self.hosts.take();
        let tip = self.repo.known_tip();
        if tip != self.tip {
            self.config = config_at(&self.repo, tip)?;
            self.contract.take();
            self.tip = tip;
        }
        Ok(())
    }

    /// Pending requests in the order of main; last what the dispatcher has taken up and this clone has not fetched yet.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn pending(&self) -> Result<Vec<Line>, ViewError> {
        self.pending_at(None)
    }

    /// The same, of one path alone.
    fn pending_at(&self, path: Option<&str>) -> Result<Vec<Line>, ViewError> {
        let Some(tip) = self.tip else { return Ok(Vec::new()) };
        let mut entries = inbox::read(&self.repo, tip, &self.config)?.entries;
        entries.retain(|entry| path.is_none_or(|path| entry.shown == path));
        let open: Vec<Open> = entries.iter().map(|entry| Open { path: entry.path.clone(), oid: entry.oid }).collect();
        let introduced = self.repo.introduced(tip, &self.config.inbox, &self.config.archive, &open)?;
        let mut rows = self.open_rows()?;
        rows.retain(|_, row| path.is_none_or(|path| row.path == path));
        let mut lines = Vec::new();
        for (entry, introduced) in entries.iter().zip(introduced) {
            let Some(introduced) = introduced else { continue };
            let bytes = inbox::bytes(&self.repo, entry)?;
            let (kind, explicit) = bytes.as_ref().map_or((None, None), |bytes| request::hints(&entry.shown, bytes));
            let derived = RequestId::derived(&introduced.commit.to_string(), &entry.shown, &entry.oid.to_string());
            let id = explicit.map_or(derived, RequestId::explicit);
            if !rows.contains_key(&id) && self.is_over(id, entry, &introduced.commit)? {
                continue;
            }
            let target = bytes.as_ref().ok().and_then(|bytes| request::target_of(&entry.shown, bytes));
            let (state, reason) = self.pending_state(id, rows.get(&id), &entry.shown, kind.as_deref(), target.as_ref());
            let queued = Timestamp::from_second(introduced.time).ok().map(utc_millis);
            lines.push((
                introduced.position,
                Line {
                    name: name_of(entry),
                    kind,
                    state,
                    reason,
                    queued_at: queued,
                    started_at: rows.get(&id).map(|row| self.started_at(row)).transpose()?.flatten(),
                    path: Some(entry.shown.clone()),
                    target,
                    ..Line::unknown(id)
                },
            ));
        }
        let shown: BTreeSet<RequestId> = lines.iter().map(|(_, line)| line.id).collect();
        for row in rows.values().filter(|row| row.state.outcome().is_none() && !shown.contains(&row.id)) {
            lines.push((u64::MAX, self.line_of_open(row)?));
        }
        lines.sort_by(|a, b| (a.0, &a.1.path).cmp(&(b.0, &b.1.path)));
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    /// Requests that ended, the youngest first, at most `most`.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn ended(&self, most: usize) -> Result<Vec<Line>, ViewError> {
        let mut lines = Vec::new();
        let mut shown = BTreeSet::new();
        if let Some(journal) = &self.journal {
            self.ended_here(journal, most, &mut lines)?;
            shown.extend(lines.iter().map(|line| line.id));
        }
        if let (Some(tip), true) = (self.tip, lines.len() < most) {
            let missing = most - lines.len();
            let reach = (missing.saturating_add(shown.len()), RECORDS_MAX);
            let records = archive::youngest(&self.repo, tip, &self.config, reach, |id| shown.insert(id))?;
            lines.extend(records.iter().map(|(folder, record)| line_of_record(record, Some(folder.clone()))));
        }
        lines.sort_by(|a, b| b.finished_at.cmp(&a.finished_at).then_with(|| a.name.cmp(&b.name)));
        lines.truncate(most);
        lines.iter_mut().try_for_each(|line| self.add_resolution(line))?;
        Ok(lines)
    }

    /// What the journal knows to have ended: the youngest `most` are among it. Nothing ends later than its row changed, so
    /// that rows which changed before the last of so many ended need not be looked at.
    fn ended_here(&self, journal: &Journal, most: usize, lines: &mut Vec<Line>) -> Result<(), ViewError> {
        let mut ends: BinaryHeap<Reverse<String>> = BinaryHeap::new();
        let page = most.clamp(32, 1000);
        for first in (0..).step_by(page) {
            let rows = journal.recently_ended(page, first)?;
            let is_last = rows.len() < page;
            for row in rows {
                if ends.len() >= most && ends.peek().is_none_or(|Reverse(end)| row.changed_at < *end) {
                    return Ok(());
                }
                let Some(line) = self.line_of_row(&row)? else { continue };
                ends.push(Reverse(line.finished_at.clone().unwrap_or_default()));
                if ends.len() > most {
                    ends.pop();
                }
                lines.push(line);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// A request by its whole id, without looking at those beside it; `None` where neither main nor the journal has it.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn find_by_id(&self, id: RequestId) -> Result<Option<Line>, ViewError> {
        let row = self.journal.as_ref().map(|journal| journal.get(id)).transpose()?.flatten();
        if let Some(row) = row {
            let mut found = match row.state.outcome() {
                Some(_) => self.line_of_row(&row)?,
                None => self.pending_at(Some(&row.path))?.into_iter().find(|line| line.id == id),
            };
            found.iter_mut().try_for_each(|line| self.add_resolution(line))?;
            return Ok(found);
        }
        let pending = self.pending()?.into_iter().find(|line| line.id == id);
        let (None, Some(tip)) = (&pending, self.tip) else { return Ok(pending) };
        let mut found = match self.index() {
            Some(index) => archive::indexed(index, &self.repo, tip, &self.config, id)?,
            None => None,
        };
        if found.is_none() {
            found = match self.index_at(Effort::Little)? {
                Some(index) => archive::indexed(&index, &self.repo, tip, &self.config, id)?,
                None => self.youngest_of(tip, id)?,
            };
        }
        let mut line = found.map(|(folder, record)| line_of_record(&record, Some(folder)));
        line.iter_mut().try_for_each(|line| self.add_resolution(line))?;
        Ok(line)
    }

    /// How far a request has come; `None` where main does not have it, as far as is known here.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn progress(&self, id: RequestId) -> Result<Option<Progress>, ViewError> {
        let row = self.journal.as_ref().map(|journal| journal.get(id)).transpose()?.flatten();
        let state = row.as_ref().map(|row| &row.state);
        if state == Some(&State::Withdrawn) {
            return Ok(Some(Progress::Withdrawn));
        }
        let Some(mut line) = self.find_by_id(id)? else { return Ok(None) };
        let on_its_way = state.filter(|state| !state.is_settled()).and_then(State::outcome);
        if let Some(outcome) = on_its_way {
            "publishing".clone_into(&mut line.state);
            line.reason.get_or_insert_with(|| format!("ended {outcome}, not on main yet"));
        } else if line.path.is_none() {
            return Ok(Some(Progress::Over(line)));
        }
        Ok(Some(Progress::UnderWay(line)))
    }

    /// A file of a request's record: from main, else from the spool, else as it is being written.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn record_file(&self, line: &Line, name: &str) -> Result<Option<Vec<u8>>, ViewError> {
        if let (Some(tip), Some(folder)) = (self.tip, &line.record)
            && let Some(blob) = self.repo.blob_at(tip, format!("{folder}/{name}"), FILE_BYTES_MAX)?
        {
            return Ok(blob.bytes);
        }
        let spool = self.state.spool(line.id);
        let growing = self.live_file(line, name);
        Ok([Some(spool.join("record").join(name)), growing]
            .into_iter()
            .flatten()
            .find_map(|path| std::fs::read(path).ok()))
    }

    /// Whether the output of a record has left main (`retention`): its summary stands there, and its log does not.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn is_pruned(&self, line: &Line) -> Result<bool, ViewError> {
        let (Some(tip), Some(folder)) = (self.tip, &line.record) else { return Ok(false) };
        let stands = |name: &str| self.repo.exists(tip, format!("{folder}/{name}"));
        Ok(stands("dispatch.log")? && !stands("log.jsonl")?)
    }

    /// What became of it, in words, where it is [pruned](View::is_pruned).
    pub fn pruned_words(&self) -> String {
        let after = self.config.retention.output.map(|span| format!(" after {}", crate::units::format_duration(span)));
        format!("its output was pruned{} (`retention`): older commits have it", after.unwrap_or_default())
    }

    /// A file of what this host kept whole because the kind does not publish all of it.
    pub fn kept_file(&self, line: &Line, name: &str) -> Option<Vec<u8>> {
        let folder = self.state.kept(line.id).join(spool::kept::RECORD);
        std::fs::read(folder.join(name)).ok()
    }

    /// The file that grows while the last attempt runs.
    pub fn live_file(&self, line: &Line, name: &str) -> Option<PathBuf> {
        let spool = self.state.spool(line.id);
        let attempts = std::fs::read_dir(&spool).ok()?.flatten();
        let last = attempts.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
        Some(spool.join(last.to_string()).join(name))
    }

    /// The resources that a request takes or took, as far as that is known.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn resources(&self, line: &Line) -> Result<Vec<String>, ViewError> {
        if line.path.is_none() {
            let (Some(tip), Some(folder)) = (self.tip, &line.record) else { return Ok(Vec::new()) };
            return Ok(self.record_at(tip, folder)?.map(|record| record.resource).unwrap_or_default());
        }
        Ok(match self.verdict(line)? {
            Some(Verdict::Ready(admitted)) => admitted.locks.into_iter().collect(),
            _ => Vec::new(),
        })
    }

    /// The verdict of admission on a pending request, as far as this clone and host file can tell.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn verdict(&self, line: &Line) -> Result<Option<Verdict>, ViewError> {
        let (Some(tip), Some(path), Ok(contract)) = (self.tip, &line.path, self.contract()?) else { return Ok(None) };
        let entries = inbox::read(&self.repo, tip, &self.config)?.entries;
        let Some(entry) = entries.iter().find(|entry| entry.shown == *path) else { return Ok(None) };
        Ok(Some(match inbox::bytes(&self.repo, entry)? {
            Ok(bytes) => admit::admit(&contract.rules, &self.host.file, &entry.shown, &bytes, || line.id.uuid()),
            Err(fault) => Verdict::Rejected(admit::Rejection::unread(fault)),
        }))
    }

    /// What the last pass said about a request that it held.
    pub fn held(&self, id: RequestId) -> Option<&Held> {
        self.standing.as_ref()?.held.iter().find(|held| held.id == id)
    }

    /// What the last pass saw; `None` where none has been made here.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// What lies in the inbox and is no request.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn left_alone(&self) -> Result<Vec<String>, ViewError> {
        Ok(self.tip.map(|tip| inbox::read(&self.repo, tip, &self.config)).transpose()?.unwrap_or_default().left_alone)
    }

    /// Faults of the repository at the tip.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn faults(&self) -> Result<Vec<Diagnostic>, ViewError> {
        Ok(match self.contract()? {
            Ok(contract) => contract.faults(),
            Err(faults) => faults.clone(),
        })
    }

    /// What the tip says of kinds, read at most once.
    fn contract(&self) -> Result<&Result<Contract, Vec<Diagnostic>>, ViewError> {
        if self.contract.get().is_none() {
            let loaded = self.tip.map(|tip| contract::load(&self.repo, tip, &mut Compiled::default()));
            let _ = self.contract.set(match loaded {
                None => Err(Vec::new()),
                Some(Ok(contract)) => Ok(contract),
                Some(Err(ContractError::Faults(faults))) => Err(faults),
                Some(Err(ContractError::Repo(error))) => return Err(error.into()),
            });
        }
        Ok(self.contract.get().expect("set above"))
    }

    /// Whether a kind may be started again, by the index at the tip.
    pub fn delivery(&self, kind: &str) -> Option<Delivery> {
        self.contract().ok()?.as_ref().ok()?.rules.index.row(kind).map(|row| row.delivery)
    }

    /// The action of a request whose handler has succeeded, and how far it is; `None` where none is left.
    ///
    /// # Errors
    /// [`ViewError::Journal`].
    pub fn action_of(&self, id: RequestId) -> Result<Option<(String, Act)>, ViewError> {
        let row = self.journal.as_ref().map(|journal| journal.get(id)).transpose()?.flatten();
        Ok(row.as_ref().and_then(|row| current_action(&row.state)).map(|(name, act)| (name.to_owned(), act)))
    }

    /// Tip of main as this clone knows it.
    pub fn tip(&self) -> Option<Oid> {
        self.tip
    }

    /// The folders and rules of the tip.
    pub fn config(&self) -> &RepoConfig {
        &self.config
    }

    fn open_rows(&self) -> Result<HashMap<RequestId, Row>, ViewError> {
        let rows = self.journal.as_ref().map(Journal::open_requests).transpose()?.unwrap_or_default();
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// Whether the journal knows the end of what this clone, which may be behind main, still has in its inbox.
    fn is_over(&self, id: RequestId, entry: &Entry, introduced: &Oid) -> Result<bool, ViewError> {
        let row = self.journal.as_ref().map(|journal| journal.get(id)).transpose()?.flatten();
        Ok(row.is_some_and(|row| {
            row.state.outcome().is_some()
                && row.state.is_settled()
                && row.blob == entry.oid.to_string()
                && row.introduced == introduced.to_string()
        }))
    }

    fn pending_state(
        &self,
        id: RequestId,
        row: Option<&Row>,
        path: &str,
        kind: Option<&str>,
        target: Option<&Target>,
    ) -> (String, Option<String>) {
        match self.said_of(id) {
            Some((host, There::Running)) => return ("running".to_owned(), Some(format!("on {}", host.node))),
            Some((host, There::Held(named))) if self.held(id).is_none() => {
                let words = named.words.as_deref().unwrap_or("it does not say why");
                return ("held".to_owned(), Some(format!("{}: {words}", host.node)));
            }
            Some((host, There::Waiting(..))) if self.held(id).is_none() => {
                return ("pending".to_owned(), Some(format!("on {}, in its turn", host.node)));
            }
            _ => {}
        }
        // What was paused when the last pass looked may have been resumed since.
        let is_over = |held: &Held| held.by == HeldBy::Pause && self.pauses.is_empty();
        if let Some(held) = self.held(id).filter(|held| held.path == path && !is_over(held)) {
            return ("held".to_owned(), Some(held.words.clone()));
        }
        let told = row.is_some_and(|row| matches!(row.state, State::Cancelling { .. }));
        match row.map(|row| row.state.undisturbed()) {
            Some(state @ (State::Running { .. } | State::Acting { .. })) if !Instance::is_held(self.state.root()) => {
                let words = match current_action(state) {
                    Some((action, _)) => format!(
                        "its handler has succeeded, and its dispatcher is gone at the action `{action}`: the next pass settles it"
                    ),
                    None => "it was started and its dispatcher is gone: the next pass settles it".to_owned(),
                };
                ("interrupted".to_owned(), Some(words))
            }
            Some(State::Running { .. } | State::Acting { .. }) if told => {
                ("running".to_owned(), Some("it is cancelled, and told to end".to_owned()))
            }
            Some(State::Running { attempt, .. }) => ("running".to_owned(), Some(format!("attempt {attempt}"))),
            Some(State::Acting { actions, ended, .. }) => {
                ("running".to_owned(), actions.get(*ended).map(|name| format!("then {name}")))
            }
            Some(State::Retrying { attempt, due, .. }) => {
                ("retrying".to_owned(), Some(format!("attempt {} is due at {due}", attempt + 1)))
            }
            Some(State::Ended { outcome } | State::Built { outcome, .. }) => {
                ("publishing".to_owned(), Some(format!("ended {outcome}, not on main yet")))
            }
            _ => match target.filter(|target| !target.means(&self.host.node, &self.host.file.labels)) {
                Some(target) => ("held".to_owned(), Some(format!("for {target}"))),
                None => match self.pause_of(kind) {
                    Some(pause) if !kind.is_some_and(request::is_reserved) => ("held".to_owned(), Some(pause.words())),
                    _ => ("pending".to_owned(), None),
                },
            },
        }
    }

    /// What the journal alone knows of a request that has not ended.
    fn line_of_open(&self, row: &Row) -> Result<Line, ViewError> {
        let copy = std::fs::read(self.state.spool(row.id).join("request")).ok();
        let bytes = copy.or_else(|| repo::cached_file(self.state.root(), &row.blob)).unwrap_or_default();
        let kind = row.kind.clone().or_else(|| request::hints(&row.path, &bytes).0);
        let (state, reason) = self.pending_state(row.id, Some(row), &row.path, kind.as_deref(), None);
        Ok(Line {
            name: self.name_in(&row.path),
            kind,
            state,
            reason,
            queued_at: Some(row.queued_at.clone()),
            started_at: self.started_at(row)?,
            path: Some(row.path.clone()),
            ..Line::unknown(row.id)
        })
    }

    /// When the first attempt of a request began that has not ended.
    fn started_at(&self, row: &Row) -> Result<Option<String>, ViewError> {
        let is_started = matches!(row.state, State::Running { .. } | State::Acting { .. } | State::Retrying { .. });
        let Some(journal) = self.journal.as_ref().filter(|_| is_started) else { return Ok(None) };
        let events = journal.events(row.id)?;
        Ok(events.into_iter().find(|(_, event)| matches!(event, Event::Start { .. })).map(|(at, _)| at))
    }

    /// The name of the request at a path.
    fn name_in(&self, path: &str) -> String {
        inbox::name(&self.config.inbox, path).to_owned()
    }

    /// Whether another node is meant by a request that names one.
    pub fn is_for_another(&self, line: &Line) -> bool {
        line.target.as_ref().is_some_and(|target| !target.means(&self.host.node, &self.host.file.labels))
    }

    fn line_of_row(&self, row: &Row) -> Result<Option<Line>, ViewError> {
        let Some(outcome) = row.state.outcome() else { return Ok(None) };
        let parcel = spool::load(&self.state, row.id);
        let folder = parcel.as_ref().map(|parcel| parcel.place.clone()).or_else(|| row.place.clone());
        let folder = folder.map(|place| format!("{}/{place}", self.config.output));
        let record = match parcel {
            Some(parcel) => Some(parcel.record),
            // Where the journal is an older copy, its place may have become another's.
            None => match (&folder, self.tip) {
                (Some(folder), Some(tip)) => self.record_at(tip, folder)?.filter(|record| record.id == row.id),
                _ => None,
            },
        };
        if let Some(record) = record {
            return Ok(Some(line_of_record(&record, folder)));
        }
        Ok(Some(Line {
            name: self.name_in(&row.path),
            kind: row.kind.clone(),
            state: outcome.to_string(),
            queued_at: Some(row.queued_at.clone()),
            finished_at: Some(row.changed_at.clone()),
            record: folder,
            ..Line::unknown(row.id)
        }))
    }

    /// A person's word on a request that ended and nobody knew how.
    fn add_resolution(&self, line: &mut Line) -> Result<(), ViewError> {
        if line.state == Outcome::Indeterminate.as_str() {
            line.resolved = self.resolution_of(line.id)?;
        }
        Ok(())
    }

    /// The index of the archive as it stands, where there is one. What it names is judged by main.
    fn index(&self) -> Option<&Index> {
        self.index.get_or_init(|| Index::open_to_read(self.state.root())).as_ref()
    }

    fn resolution_of(&self, id: RequestId) -> Result<Option<Resolution>, ViewError> {
        let known = self.journal.as_ref().map(resolutions).transpose()?.unwrap_or_default();
        if let Some(known) = known.into_iter().find(|known| known.id == id) {
            return Ok(Some(known));
        }
        let Some(tip) = self.tip else { return Ok(None) };
        if let Some(index) = self.index()
            && let Some(said) = archive::indexed_word_on(index, &self.repo, tip, &self.config, id)?
        {
            return Ok(Some(said));
        }
        if self.said.get().is_none() {
            let said = archive::youngest_resolutions(&self.repo, tip, &self.config, RECORDS_MAX)?;
            let _ = self.said.set(said);
        }
        Ok(self.said.get().and_then(|said| said.get(&id)).cloned())
    }

    fn record_at(&self, tip: Oid, folder: &str) -> Result<Option<Record>, ViewError> {
        let file = format!("{folder}/status.yml");
        let blob = self.repo.blob_at(tip, &file, FILE_BYTES_MAX)?;
        Ok(blob.and_then(|blob| Record::from_yaml(&file, &blob.bytes?).ok()))
    }
}

fn config_at(repo: &Repo, tip: Option<Oid>) -> Result<RepoConfig, ViewError> {
    match tip.map(|tip| contract::load_config(repo, tip)) {
        Some(Ok((config, _))) => Ok(config),
        None | Some(Err(ContractError::Faults(_))) => Ok(RepoConfig::default()),
        Some(Err(ContractError::Repo(error))) => Err(error.into()),
    }
}

fn line_of_record(record: &Record, folder: Option<String>) -> Line {
    Line {
        id: record.id,
        name: record.name.clone(),
        kind: record.kind.clone(),
        state: record.outcome.to_string(),
        reason: record.reason.clone(),
        exit_code: record.exit_code,
        queued_at: record.queued_at.map(utc_millis),
        started_at: record.started_at.map(utc_millis),
        finished_at: record.finished_at.map(utc_millis),
        duration_ms: record.duration_ms,
        record: folder,
        path: None,
        target: None,
        kept_on: record.publish.map(|_| record.host.clone()),
        rerun_of: record.rerun_of,
        resolved: None,
    }
}

fn current_action(state: &State) -> Option<(&str, Act)> {
    let State::Acting { actions, ended, now, .. } = state else { return None };
    actions.get(*ended).map(|name| (name.as_str(), *now))
}

fn name_of(entry: &Entry) -> String {
    entry.folder.as_ref().map_or_else(|| entry.stem.clone(), |folder| format!("{folder}/{}", entry.stem))
}
