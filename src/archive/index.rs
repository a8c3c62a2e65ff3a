//! The index of the archive: which folder of main holds the record of an id, a name, an idempotency key or a person's word.
//!
//! One `SQLite` file (`archive.db`) in the state folder, a cache: it may be deleted at any time, another format is made anew, and
//! nothing is decided by it. What it names is read from main again, by the rules that hold there, so a wrong index can hide a
//! record and never make one. `folder` has the two trees, of records and of their requests, that each folder was read at: what
//! stands at the same trees is known, whatever commit they belong to, also after a history was rewritten.
//! One process at a time writes (`archive.lock`); readers wait for nobody.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Transaction, TransactionBehavior, params};

use super::record_at;
use crate::command::Resolution;
use crate::config::RepoConfig;
use crate::id::RequestId;
use crate::record::Record;
use crate::repo::{Beside, Oid, Pair, Repo, RepoError};

/// Raised where what is kept, or the rules by which it is read, change: an older one is made anew.
const FORMAT: i64 = 1;
/// Records lie at most so far below the output folder.
const DEPTH_MAX: usize = super::DEPTH_MAX;
/// Extensions of requests.
const EXTENSIONS: [&str; 2] = [".yml", ".yaml"];
/// How long a commit of another process is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// And how often it is asked whether somebody else still brings the index up.
const TURN_PAUSE: Duration = Duration::from_millis(20);
/// So many records that a word may mean are enough to say that it is not clear.
const MATCHES_MAX: usize = 200;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE folder (
    n INTEGER PRIMARY KEY,
    place TEXT NOT NULL UNIQUE,
    parent INTEGER,
    output TEXT,
    archive TEXT,
    whole INTEGER NOT NULL
) STRICT;
CREATE INDEX folder_parent ON folder (parent);
CREATE TABLE record (
    folder INTEGER NOT NULL,
    leaf TEXT NOT NULL,
    tree TEXT NOT NULL,
    id BLOB NOT NULL,
    tail TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT,
    outcome TEXT NOT NULL,
    finished_at INTEGER,
    idempotency_key TEXT,
    resolves BLOB,
    PRIMARY KEY (folder, leaf)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_id ON record (id);
CREATE INDEX record_tail ON record (tail);
CREATE INDEX record_name ON record (name);
CREATE INDEX record_key ON record (kind, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX record_resolves ON record (resolves) WHERE resolves IS NOT NULL;
";

/// The open index.
#[derive(Debug)]
pub struct Index {
    db: Connection,
    state: PathBuf,
}

/// The right to bring the index up, held as long as the value lives.
#[derive(Debug)]
pub struct Turn {
    _file: File,
}

/// The index on its way to a tip: what has been read stays read, wherever it is left.
#[derive(Debug)]
pub struct Walk {
    _turn: Turn,
    tip: Oid,
    stack: Vec<Frame>,
    has_begun: bool,
    /// Records that were read.
    pub read: usize,
}

/// A folder that is being brought up.
#[derive(Debug)]
struct Frame {
    n: i64,
    place: String,
    pair: Pair,
    /// Names that are still to be looked at, the first in order last: the youngest days are read first.
    left: Vec<Beside>,
}

/// Why there is no answer from the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// `SQLite`'s words, with the file.
    #[error("index of the archive `{path}`: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The lock cannot be had.
    #[error("index of the archive, lock `{path}`: {source}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Somebody else is bringing it up.
    #[error("another process is reading the archive for its index")]
    Busy,
    /// Main cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl Index {
    /// Opens the index to bring it up, and makes it where there is none, or another format, or a broken file.
    ///
    /// # Errors
    /// [`IndexError`] where the state folder cannot be written.
    pub fn open(state: &Path) -> Result<Self, IndexError> {
        match Self::open_as_it_is(state) {
            Ok(Some(index)) => return Ok(index),
            Err(IndexError::Sqlite { source, .. }) if !is_broken(&source) => {
                return Err(IndexError::Sqlite { path: file(state), source });
            }
            Ok(None) | Err(_) => {}
        }
        let Some(_turn) = Turn::wait(state, BUSY)? else { return Err(IndexError::Busy) };
        // Another may have made it meanwhile.
        if let Ok(Some(index)) = Self::open_as_it_is(state) {
            return Ok(index);
        }
        // A log without its file would be taken for that of the new one.
        for name in ["archive.db", "archive.db-wal", "archive.db-shm"] {
            let _ = std::fs::remove_file(state.join(name));
        }
        let wrap = |source| IndexError::Sqlite { path: file(state), source };
        let mut db = Connection::open(file(state)).map_err(wrap)?;
        db.busy_timeout(BUSY).map_err(wrap)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
        tx.execute_batch(SCHEMA).map_err(wrap)?;
        tx.pragma_update(None, "user_version", FORMAT).map_err(wrap)?;
        tx.commit().map_err(wrap)?;
        Self::ready(db, state)
    }

    /// One that is there in this format, to write; `None` where there is none.
    fn open_as_it_is(state: &Path) -> Result<Option<Self>, IndexError> {
        let path = file(state);
        if !path.exists() {
            return Ok(None);
        }
        let wrap = |source| IndexError::Sqlite { path: path.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags).map_err(wrap)?;
        db.busy_timeout(BUSY).map_err(wrap)?;
        if version(&db).map_err(wrap)? == FORMAT { Self::ready(db, state).map(Some) } else { Ok(None) }
    }

    /// The index as it stands, for whoever only asks; `None` where there is none of this format, or it cannot be read.
    pub fn open_to_read(state: &Path) -> Option<Self> {
        let path = file(state);
        if !path.exists() {
            return None;
        }
        // As the journal is read: who may not even write the shared memory of the log does without what only the log has.
        let shared = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, shared).and_then(|db| version(&db).map(|_| db)).or_else(|_| {
            let text = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let alone = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(format!("file:{text}?immutable=1"), alone)
        });
        let db = db.ok()?;
        db.busy_timeout(BUSY).ok()?;
        db.pragma_update(None, "query_only", true).ok()?;
        (version(&db).ok()? == FORMAT).then(|| Self { db, state: state.to_owned() })
    }

    fn ready(db: Connection, state: &Path) -> Result<Self, IndexError> {
        // A power cut may take the last steps back, which are made again; it leaves no half of one.
        let set = db.pragma_update(None, "synchronous", "NORMAL");
        set.map_err(|source| IndexError::Sqlite { path: file(state), source })?;
        Ok(Self { db, state: state.to_owned() })
    }

    /// Whether it knows everything that the tree of this commit has.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn is_whole(&self, repo: &Repo, tip: Oid, config: &RepoConfig) -> Result<bool, IndexError> {
        if folders(&self.db).map_err(|source| self.error(source))?.as_deref() != Some(&folders_of(config)) {
            return Ok(false);
        }
        let pair = repo.pair_at(tip, (&config.output, &config.archive))?;
        let known = known(&self.db, "").map_err(|source| self.error(source))?;
        Ok(known.is_some_and(|known| known.was == Some(pair)))
    }

    /// The commit at which it was whole last.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn tip(&self) -> Result<Option<Oid>, IndexError> {
        let text = meta(&self.db, "tip").map_err(|source| self.error(source))?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Folders of the records of an id, from the output folder.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn by_id(&self, id: RequestId) -> Result<Vec<String>, IndexError> {
        self.places("id = ?1", [id.uuid().as_bytes().as_slice()])
    }

    /// Folders of the records of requests that a word may mean: by their name, as a folder, or by the beginning or the end of
    /// an id. The youngest of each first, and not without end.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn by_word(&self, word: &str, name: &str) -> Result<Vec<String>, IndexError> {
        let mut found = self.places("name = ?1", [name])?;
        let digits: String = word.to_lowercase().chars().filter(|letter| *letter != '-').collect();
        if digits.len() >= 4 && digits.len() <= 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let bound = |fill: char| {
                let text: String = digits.chars().chain(std::iter::repeat(fill)).take(32).collect();
                u128::from_str_radix(&text, 16).unwrap_or_default().to_be_bytes()
            };
            let (low, high) = (bound('0'), bound('f'));
            found.extend(self.places("id BETWEEN ?1 AND ?2", [low.as_slice(), high.as_slice()])?);
            let tail: String = digits.chars().rev().take(TAIL).collect();
            found.extend(self.places("tail BETWEEN ?1 AND ?2", [tail.clone(), format!("{tail}g")])?);
        }
        Ok(found)
    }

    /// Folders of the records of a kind that carry an idempotency key.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn by_key(&self, kind: &str, key: &str) -> Result<Vec<String>, IndexError> {
        self.places("kind = ?1 AND idempotency_key = ?2", [kind, key])
    }

    /// Folders of the records of people's words on requests, or on one.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn words_on(&self, id: Option<RequestId>) -> Result<Vec<String>, IndexError> {
        match id {
            Some(id) => self.places("resolves = ?1", [id.uuid().as_bytes().as_slice()]),
            None => self.places_at_most("resolves IS NOT NULL", [], usize::MAX),
        }
    }

    /// How many records it knows.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn len(&self) -> Result<usize, IndexError> {
        let count = self.db.query_row("SELECT count(*) FROM record", [], |row| row.get::<_, i64>(0));
        count.map(|count| usize::try_from(count).unwrap_or(0)).map_err(|source| self.error(source))
    }

    /// Whether it knows none.
    ///
    /// # Errors
    /// [`IndexError::Sqlite`].
    pub fn is_empty(&self) -> Result<bool, IndexError> {
        Ok(self.len()? == 0)
    }

    fn places(&self, fits: &str, values: impl Params) -> Result<Vec<String>, IndexError> {
        self.places_at_most(fits, values, MATCHES_MAX)
    }

    fn places_at_most(&self, fits: &str, values: impl Params, most: usize) -> Result<Vec<String>, IndexError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let text = format!(
            "SELECT place, leaf FROM record JOIN folder ON n = folder WHERE {fits} ORDER BY finished_at DESC, place, leaf LIMIT {most}"
        );
        let found = self.db.prepare_cached(&text).and_then(|mut statement| {
            statement
                .query_map(values, |row| Ok(below(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?)))?
                .collect()
        });
        found.map_err(|source| self.error(source))
    }

    /// The way to a tip, for whoever has the turn.
    pub fn walk_to(turn: Turn, tip: Oid) -> Walk {
        Walk { _turn: turn, tip, stack: Vec::new(), has_begun: false, read: 0 }
    }

    fn error(&self, source: rusqlite::Error) -> IndexError {
        IndexError::Sqlite { path: file(&self.state), source }
    }
}

impl Turn {
    /// Waits so long at most until nobody else brings the index up; `None` where somebody still does.
    ///
    /// # Errors
    /// [`IndexError::Lock`] where there can be no lock file.
    pub fn wait(state: &Path, most: Duration) -> Result<Option<Self>, IndexError> {
        let path = state.join("archive.lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open.map_err(|source| IndexError::Lock { path: path.clone(), source })?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(std::fs::TryLockError::WouldBlock) if since.elapsed() < most => std::thread::sleep(TURN_PAUSE),
                Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
                Err(std::fs::TryLockError::Error(source)) => return Err(IndexError::Lock { path, source }),
            }
        }
    }
}

impl Walk {
    /// The tip that it goes to.
    pub fn tip(&self) -> Oid {
        self.tip
    }

    /// Goes on for so many names, in one step that is kept whole or not at all; true where the index is whole then.
    /// After an error it is given up: another begins where the last kept step was.
    ///
    /// # Errors
    /// [`IndexError`] where main or the index cannot be read, or the index not be written.
    pub fn go_on(
        &mut self,
        index: &mut Index,
        repo: &Repo,
        config: &RepoConfig,
        names: usize,
    ) -> Result<bool, IndexError> {
        let path = file(&index.state);
        let wrap = |source| IndexError::Sqlite { path: path.clone(), source };
        let tx = index.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
        let mut step = Step { tx: &tx, wrap: &wrap, repo, config, tip: self.tip };
        if !self.has_begun {
            self.has_begun = true;
            step.keep_to_folders()?;
            let pair = repo.pair_at(self.tip, (&config.output, &config.archive))?;
            self.stack.extend(step.enter(String::new(), None, pair)?);
        }
        for _ in 0..names {
            let depth = self.stack.len();
            let Some(frame) = self.stack.last_mut() else { break };
            let Some(beside) = frame.left.pop() else {
                step.finish(frame)?;
                self.stack.pop();
                continue;
            };
            self.read += usize::from(step.take(frame, &beside)?);
            let place = below(&frame.place, &beside.name);
            match beside.right {
                // A folder at this depth has records one further down.
                Some(_) if depth < DEPTH_MAX => {
                    let parent = frame.n;
                    self.stack.extend(step.enter(place, Some(parent), (beside.left, beside.right))?);
                }
                _ => step.forget_below(&place)?,
            }
        }
        let is_over = self.stack.is_empty();
        if is_over {
            step.set_meta("tip", &self.tip.to_string())?;
        }
        tx.commit().map_err(wrap)?;
        Ok(is_over)
    }
}

/// One step of a walk, in its transaction.
struct Step<'a> {
    tx: &'a Transaction<'a>,
    wrap: &'a dyn Fn(rusqlite::Error) -> IndexError,
    repo: &'a Repo,
    config: &'a RepoConfig,
    tip: Oid,
}

impl Step<'_> {
    /// What was read of other folders says nothing of these.
    fn keep_to_folders(&mut self) -> Result<(), IndexError> {
        let ours = folders_of(self.config);
        if folders(self.tx).map_err(self.wrap)?.as_deref() != Some(&ours) {
            self.tx.execute_batch("DELETE FROM record; DELETE FROM folder; DELETE FROM meta").map_err(self.wrap)?;
            self.set_meta("folders", &ours)?;
        }
        Ok(())
    }

    /// Begins with a folder; `None` where it is known as it is. From here on it counts as unknown, and so does each folder
    /// above it: whoever is killed in between leaves nothing that seems to be whole.
    fn enter(&mut self, place: String, parent: Option<i64>, pair: Pair) -> Result<Option<Frame>, IndexError> {
        let known = known(self.tx, &place).map_err(self.wrap)?;
        let (n, was) = match known {
            Some(Known { was: Some(was), .. }) if was == pair => return Ok(None),
            Some(Known { n, was }) => {
                self.write("UPDATE folder SET whole = 0 WHERE n = ?1", [n])?;
                (n, was)
            }
            None => {
                self.write("INSERT INTO folder (place, parent, whole) VALUES (?1, ?2, 0)", params![place, parent])?;
                (self.tx.last_insert_rowid(), None)
            }
        };
        let (mut left, is_all) = self.repo.side_by_side(pair, was, &EXTENSIONS)?;
        if is_all {
            self.keep_known(n, &mut left)?;
            for child in self.children(n)? {
                let name = child.rsplit('/').next().unwrap_or(&child);
                if left.binary_search_by(|beside| beside.name.as_str().cmp(name)).is_err() {
                    self.forget_below(&child)?;
                }
            }
        }
        Ok(Some(Frame { n, place, pair, left }))
    }

    /// Of all names of a folder: forgets the records that do not stand there any more, and takes out of `left` those that do
    /// as they are known.
    fn keep_known(&mut self, folder: i64, left: &mut Vec<Beside>) -> Result<(), IndexError> {
        let mut known = self
            .tx
            .prepare_cached("SELECT leaf, tree FROM record WHERE folder = ?1 ORDER BY leaf")
            .map_err(self.wrap)?;
        let mut rows = known.query([folder]).map_err(self.wrap)?;
        let (mut gone, mut same, mut at) = (Vec::new(), Vec::new(), 0);
        // Both are in the order of their bytes.
        while let Some(row) = rows.next().map_err(self.wrap)? {
            let (leaf, tree): (String, String) = (row.get(0).map_err(self.wrap)?, row.get(1).map_err(self.wrap)?);
            while left.get(at).is_some_and(|beside| beside.name < leaf) {
                at += 1;
            }
            match left.get(at).filter(|beside| beside.name == leaf) {
                None => gone.push(leaf),
                Some(beside) if beside.right.is_none() && tree_of(beside).is_some_and(|now| now == tree) => {
                    same.push(at);
                }
                Some(_) => {}
            }
        }
        let (mut index, mut same) = (0, same.into_iter().peekable());
        left.retain(|_| {
            index += 1;
            same.next_if_eq(&(index - 1)).is_none()
        });
        for leaf in gone {
            self.write("DELETE FROM record WHERE folder = ?1 AND leaf = ?2", params![folder, leaf])?;
        }
        Ok(())
    }

    /// Reads what stands under a name as a record, where it is not known as it is; true where something had to be read.
    fn take(&mut self, frame: &Frame, beside: &Beside) -> Result<bool, IndexError> {
        let key = params![frame.n, beside.name];
        let known: Option<String> = self
            .tx
            .prepare_cached("SELECT tree FROM record WHERE folder = ?1 AND leaf = ?2")
            .and_then(|mut statement| statement.query_row(key, |row| row.get(0)).optional())
            .map_err(self.wrap)?;
        let tree = tree_of(beside);
        if known == tree {
            return Ok(false);
        }
        let folder = below(&self.config.output, &below(&frame.place, &beside.name));
        let record = match &tree {
            Some(_) => record_at(self.repo, self.tip, self.config, &folder)?,
            None => None,
        };
        match (record, tree) {
            (Some(record), Some(tree)) => self.put(frame.n, &beside.name, &tree, &record)?,
            _ => self.write("DELETE FROM record WHERE folder = ?1 AND leaf = ?2", key)?,
        }
        Ok(true)
    }

    fn put(&mut self, folder: i64, leaf: &str, tree: &str, record: &Record) -> Result<(), IndexError> {
        let uuid = record.id.uuid();
        let resolves = Resolution::of(record).map(|resolution| resolution.id.uuid());
        self.write(
            "INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                folder,
                leaf,
                tree,
                uuid.as_bytes().as_slice(),
                tail_of(record.id),
                record.name,
                record.kind,
                record.outcome.as_str(),
                record.finished_at.map(jiff::Timestamp::as_millisecond),
                record.idempotency_key,
                resolves.as_ref().map(|id| id.as_bytes().as_slice()),
            ],
        )
    }

    fn finish(&mut self, frame: &Frame) -> Result<(), IndexError> {
        let text = |tree: Option<Oid>| tree.map(|tree| tree.to_string());
        let (output, archive) = (text(frame.pair.0), text(frame.pair.1));
        self.write(
            "UPDATE folder SET output = ?2, archive = ?3, whole = 1 WHERE n = ?1",
            params![frame.n, output, archive],
        )
    }

    /// Forgets a folder and all that lies below it.
    fn forget_below(&mut self, place: &str) -> Result<(), IndexError> {
        if known(self.tx, place).map_err(self.wrap)?.is_none() {
            return Ok(());
        }
        let gone = "WITH RECURSIVE gone (n) AS (SELECT n FROM folder WHERE place = ?1
             UNION ALL SELECT folder.n FROM folder JOIN gone ON folder.parent = gone.n)";
        self.write(&format!("{gone} DELETE FROM record WHERE folder IN (SELECT n FROM gone)"), [place])?;
        self.write(&format!("{gone} DELETE FROM folder WHERE n IN (SELECT n FROM gone)"), [place])
    }

    fn set_meta(&mut self, key: &str, value: &str) -> Result<(), IndexError> {
        self.write("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])
    }

    fn write(&mut self, statement: &str, values: impl Params) -> Result<(), IndexError> {
        let done = self.tx.prepare_cached(statement).and_then(|mut statement| statement.execute(values));
        done.map(drop).map_err(self.wrap)
    }

    /// The folders in a folder.
    fn children(&self, of: i64) -> Result<Vec<String>, IndexError> {
        self.tx
            .prepare_cached("SELECT place FROM folder WHERE parent = ?1")
            .and_then(|mut statement| statement.query_map([of], |row| row.get(0))?.collect())
            .map_err(self.wrap)
    }
}

/// The tree of what may be a record: a folder whose request lies in the archive.
fn tree_of(beside: &Beside) -> Option<String> {
    beside.left.filter(|_| beside.is_filed).map(|tree| tree.to_string())
}

/// A folder that was met before.
struct Known {
    n: i64,
    /// The trees that it was read at; `None` where it was left half read.
    was: Option<Pair>,
}

fn known(db: &Connection, place: &str) -> rusqlite::Result<Option<Known>> {
    let mut statement = db.prepare_cached("SELECT n, output, archive, whole FROM folder WHERE place = ?1")?;
    let known = statement.query_row([place], |row| {
        let tree = |text: Option<String>| text.map(|text| text.parse::<Oid>()).transpose();
        let pair = (tree(row.get(1)?), tree(row.get(2)?));
        let is_whole = row.get::<_, i64>(3)? == 1;
        let was = if let (true, (Ok(output), Ok(archive))) = (is_whole, pair) { Some((output, archive)) } else { None };
        Ok(Known { n: row.get(0)?, was })
    });
    known.optional()
}

fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// The folders that it was made for.
fn folders(db: &Connection) -> rusqlite::Result<Option<String>> {
    meta(db, "folders")
}

fn folders_of(config: &RepoConfig) -> String {
    format!("{}\n{}", config.output, config.archive)
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn file(state: &Path) -> PathBuf {
    state.join("archive.db")
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// So many digits from the end of an id are looked up.
const TAIL: usize = 8;

/// The last digits of an id, the last one first.
fn tail_of(id: RequestId) -> String {
    id.short().chars().rev().take(TAIL).collect()
}

fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
