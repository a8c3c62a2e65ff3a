//! The journal: what this host has seen, started, finished and published, durable before the next step.
//!
//! One `SQLite` file (`journal.db`, WAL, `synchronous=FULL`) in the state folder. `event` only ever grows;
//! `request` is the fold of it, one row a request, written in the same transaction. Never holds output or
//! secrets. `user_version` carries the format: a newer one is refused, an upgrade keeps a copy.

mod row;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

pub use row::{Admitted, Row};
pub use verify::Contradiction;

use crate::durable;
use crate::event::{Claim, Event};
use crate::id::RequestId;
use crate::planted::{self, Bug};
use crate::state::{self, IllegalStep, State};

/// 2: steps of actions after success. 3: claims on the remote, and what a newer copy of the journal has recorded. A program
/// that knows an older one alone would take such steps for a broken journal.
const FORMAT: i64 = 3;
/// Formats that differ from the present one in nothing that is read: they are raised by their number alone.
const OLD_FORMATS: std::ops::Range<i64> = 1..FORMAT;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    blob TEXT NOT NULL,
    introduced TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    kind TEXT,
    idempotency_key TEXT,
    spec_sha256 TEXT,
    place TEXT,
    phase TEXT NOT NULL,
    state TEXT NOT NULL,
    changed_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX request_key ON request (kind, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    request TEXT NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX event_request ON event (request);
CREATE TABLE counter (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (name, labels)
) STRICT, WITHOUT ROWID;
";

/// Indexes that a step changes as seldom as may be: each change is a page more that has to be synced. A row enters the second
/// when it is taken up, and leaves it and the first when it is on main; no step in between touches either. They are made anew
/// where an older program made others of these names; which ones there are is no matter of the format.
const INDEXES: &str = "
DROP INDEX IF EXISTS request_open;
DROP INDEX IF EXISTS request_changed;
CREATE INDEX request_unsettled ON request (id) WHERE phase NOT IN ('published', 'withdrawn');
CREATE INDEX request_under_way ON request (id) WHERE phase NOT IN ('seen', 'published', 'withdrawn');
CREATE INDEX request_ended ON request (changed_at) WHERE phase IN ('ended', 'built', 'published');
";

/// The open journal. One writer: whoever holds the instance lock.
#[derive(Debug)]
pub struct Journal {
    db: Connection,
}

/// What a step is about, when it is appended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The request.
    pub id: RequestId,
    /// The step.
    pub event: Event,
}

/// An addition to a counter, or its present value.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Name of the counter.
    pub name: String,
    /// Its labels as a JSON object with sorted keys.
    pub labels: String,
    /// How much.
    pub value: f64,
}

/// Why the journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// `SQLite`'s words, with the file.
    #[error("journal `{path}`: {source}")]
    Sqlite {
        /// The journal file.
        path: PathBuf,
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// Written by a later version of this program.
    #[error("journal `{path}` has format {found}, this program knows {FORMAT}: install the newer dispatch again")]
    Newer {
        /// The journal file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// The copy that an upgrade keeps could not be made; nothing was changed.
    #[error("keeping a copy of the journal before it is upgraded, `{path}`: {words}")]
    Copy {
        /// The copy.
        path: PathBuf,
        /// The system's words.
        words: String,
    },
    /// A step that must not follow; nothing was written.
    #[error("journal: request {id}: {source}")]
    Illegal {
        /// The request.
        id: RequestId,
        /// The refused step.
        source: IllegalStep,
    },
    /// A row that this program cannot read.
    #[error("journal: row of request `{id}` cannot be read: {words}")]
    Corrupt {
        /// The id as it stands there.
        id: String,
        /// What is wrong with it.
        words: String,
    },
}

impl JournalError {
    /// True where the disk is full or cannot be written.
    pub fn is_unwritable(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    Code::DiskFull | Code::ReadOnly | Code::CannotOpen | Code::SystemIoFailure | Code::PermissionDenied
                )
            ),
            _ => false,
        }
    }
}

const SET_META: &str = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";

impl Journal {
    /// Opens or creates `journal.db` in the state folder for writing.
    ///
    /// # Errors
    /// [`JournalError::Newer`] for a later format; [`JournalError::Sqlite`] where the file cannot be used.
    pub fn open(state: &Path) -> Result<Self, JournalError> {
        let path = file(state);
        let wrap = |source| JournalError::Sqlite { path: path.clone(), source };
        let mut db = Connection::open(&path).map_err(wrap)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
        let synchronous = if planted::is(Bug::UnsyncedSteps) { "OFF" } else { "FULL" };
        db.pragma_update(None, "synchronous", synchronous).map_err(wrap)?;
        db.busy_timeout(std::time::Duration::from_secs(10)).map_err(wrap)?;
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrap)?;
        match found {
            0 => {
                let tx = db.transaction().map_err(wrap)?;
                tx.execute_batch(SCHEMA).map_err(wrap)?;
                tx.execute_batch(INDEXES).map_err(wrap)?;
                tx.pragma_update(None, "user_version", FORMAT).map_err(wrap)?;
                tx.commit().map_err(wrap)?;
            }
            FORMAT => {}
            found if OLD_FORMATS.contains(&found) => {
                keep_copy(&db, state, found)?;
                db.pragma_update(None, "user_version", FORMAT).map_err(wrap)?;
            }
            _ => return Err(JournalError::Newer { path, found }),
        }
        let named = "SELECT count(*) FROM sqlite_schema WHERE name = 'request_under_way'";
        if db.query_row(named, [], |row| row.get::<_, i64>(0)).map_err(wrap)? == 0 {
            let tx = db.transaction().map_err(wrap)?;
            tx.execute_batch(INDEXES).map_err(wrap)?;
            tx.commit().map_err(wrap)?;
        }
        Ok(Self { db })
    }

    /// Opens the journal for the reading faces; `None` where there is none yet.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_to_read(state: &Path) -> Result<Option<Self>, JournalError> {
        let path = file(state);
        if !path.exists() {
            return Ok(None);
        }
        let wrap = |source| JournalError::Sqlite { path: path.clone(), source };
        let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        // Readers of a WAL need to write its shared-memory index; they never change the database itself. Where even that
        // is forbidden, the file is read as it stands, without what only the log holds.
        let shared = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, shared).and_then(|db| version(&db).map(|_| db)).or_else(|_| {
            let text = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let alone = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(format!("file:{text}?immutable=1"), alone)
        });
        let db = db.map_err(wrap)?;
        db.busy_timeout(std::time::Duration::from_secs(10)).map_err(wrap)?;
        db.pragma_update(None, "query_only", true).map_err(wrap)?;
        let found = version(&db).map_err(wrap)?;
        match found {
            0 => Ok(None),
            found if found == FORMAT || OLD_FORMATS.contains(&found) => Ok(Some(Self { db })),
            _ => Err(JournalError::Newer { path, found }),
        }
    }

    /// Writes the steps down, all or none, durable on return, and adds to the counters in the same
    /// transaction, so that they survive whatever the steps survive. `at` is the time of writing, RFC 3339.
    ///
    /// # Errors
    /// [`JournalError::Illegal`] where the fold refuses a step, and nothing is written.
    pub fn append(&mut self, at: &str, entries: &[Entry], counts: &[Count]) -> Result<(), JournalError> {
        if entries.is_empty() && counts.is_empty() {
            return Ok(());
        }
        let path = self.path();
        let wrap = |source| JournalError::Sqlite { path: path.clone(), source };
        let tx = self.db.transaction().map_err(wrap)?;
        for entry in entries {
            append_one(&tx, at, entry, &wrap)?;
        }
        for count in counts {
            tx.prepare_cached(
                "INSERT INTO counter VALUES (?1, ?2, ?3) ON CONFLICT (name, labels) DO UPDATE SET value = value + ?3",
            )
            .and_then(|mut statement| statement.execute(params![count.name, count.labels, count.value]))
            .map_err(wrap)?;
        }
        planted::crash_point("before-append");
        tx.commit().map_err(wrap)?;
        planted::crash_point("after-append");
        Ok(())
    }

    /// Adds what admission learnt of requests to their rows, all in one step.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn describe(&mut self, learnt: &[(RequestId, Admitted)]) -> Result<(), JournalError> {
        if learnt.is_empty() {
            return Ok(());
        }
        let path = self.path();
        let wrap = |source| JournalError::Sqlite { path: path.clone(), source };
        let tx = self.db.transaction().map_err(wrap)?;
        for (id, admitted) in learnt {
            tx.prepare_cached(
                "UPDATE request SET kind = ?2, idempotency_key = ?3, spec_sha256 = ?4, place = ?5 WHERE id = ?1",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    id.to_string(),
                    admitted.kind,
                    admitted.idempotency_key,
                    admitted.spec_sha256,
                    admitted.place
                ])
            })
            .map_err(wrap)?;
        }
        tx.commit().map_err(wrap)
    }

    /// The row of a request.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be read.
    pub fn get(&self, id: RequestId) -> Result<Option<Row>, JournalError> {
        Ok(self.select("WHERE id = ?1", [id.to_string()])?.pop())
    }

    /// All requests that are neither published nor withdrawn.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn open_requests(&self) -> Result<Vec<Row>, JournalError> {
        self.select("WHERE phase NOT IN ('published', 'withdrawn') ORDER BY id", [])
    }

    /// Those among them that stand in one of these phases, `seen` not being one: most are merely seen, and most questions are
    /// not about them.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn open_in(&self, phases: &[&str]) -> Result<Vec<Row>, JournalError> {
        let phases = format!("'{}'", phases.join("', '"));
        // The first half is what the index is made by.
        let under_way = "phase NOT IN ('seen', 'published', 'withdrawn')";
        self.select(&format!("WHERE {under_way} AND phase IN ({phases}) ORDER BY id"), [])
    }

    /// The requests of a kind that carry an idempotency key, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn with_idempotency_key(&self, kind: &str, key: &str) -> Result<Vec<Row>, JournalError> {
        self.select(
            "WHERE kind = ?1 AND idempotency_key = ?2 ORDER BY (SELECT min(seq) FROM event WHERE request = id)",
            [kind, key],
        )
    }

    /// The requests on main that were this file with this content.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn published_from(&self, path: &str, blob: &str) -> Result<Vec<Row>, JournalError> {
        self.select("WHERE phase = 'published' AND path = ?1 AND blob = ?2 ORDER BY id", [path, blob])
    }

    /// The requests that ended, in the order in which they changed, newest first: at most `most` behind the first `skip`.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn recently_ended(&self, most: usize, skip: usize) -> Result<Vec<Row>, JournalError> {
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.select(
            "WHERE phase IN ('ended', 'built', 'published') ORDER BY changed_at DESC, id DESC LIMIT ?1 OFFSET ?2",
            [count(most), count(skip)],
        )
    }

    /// Every step of a request with its time, in order.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn events(&self, id: RequestId) -> Result<Vec<(String, Event)>, JournalError> {
        let rows: Vec<(String, String)> = self
            .db
            .prepare_cached("SELECT at, body FROM event WHERE request = ?1 ORDER BY seq")
            .and_then(|mut statement| {
                statement.query_map([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(|source| self.error(source))?;
        rows.into_iter()
            .map(|(at, body)| match serde_json::from_str(&body) {
                Ok(event) => Ok((at, event)),
                Err(error) => Err(JournalError::Corrupt { id: id.to_string(), words: error.to_string() }),
            })
            .collect()
    }

    /// Every claim that was ever about to be made for a request, in order.
    ///
    /// # Errors
    /// [`JournalError`] where one cannot be read.
    pub fn claims_of(&self, id: RequestId) -> Result<Vec<Claim>, JournalError> {
        let events = self.events(id)?;
        Ok(events
            .into_iter()
            .filter_map(|(_, event)| match event {
                Event::Claim(claim) => Some(claim),
                _ => None,
            })
            .collect())
    }

    /// A remembered fact, such as the branch that the first run saw.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn meta(&self, key: &str) -> Result<Option<String>, JournalError> {
        self.db
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
            .map_err(|source| self.error(source))
    }

    /// Remembers a fact, durable on return.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<(), JournalError> {
        self.db.execute(SET_META, [key, value]).map(drop).map_err(|source| self.error(source))
    }

    /// Remembers several facts at once, durable on return.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn set_metas(&mut self, facts: &[(&str, &str)]) -> Result<(), JournalError> {
        let path = self.path();
        let wrap = |source| JournalError::Sqlite { path: path.clone(), source };
        let tx = self.db.transaction().map_err(wrap)?;
        for (key, value) in facts {
            tx.execute(SET_META, [key, value]).map_err(wrap)?;
        }
        tx.commit().map_err(wrap)
    }

    /// Every remembered fact whose key begins with a prefix: the rest of each key, and its value.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn meta_below(&self, prefix: &str) -> Result<Vec<(String, String)>, JournalError> {
        self.db
            .prepare_cached("SELECT substr(key, length(?1) + 1), value FROM meta WHERE substr(key, 1, length(?1)) = ?1")
            .and_then(|mut statement| statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(|source| self.error(source))
    }

    /// Forgets a fact, durably on return.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn drop_meta(&mut self, key: &str) -> Result<(), JournalError> {
        self.db.execute("DELETE FROM meta WHERE key = ?1", [key]).map(drop).map_err(|source| self.error(source))
    }

    /// All counters, ordered by name and labels.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn counters(&self) -> Result<Vec<Count>, JournalError> {
        self.db
            .prepare_cached("SELECT name, labels, value FROM counter ORDER BY name, labels")
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok(Count { name: row.get(0)?, labels: row.get(1)?, value: row.get(2)? }))?
                    .collect()
            })
            .map_err(|source| self.error(source))
    }

    fn select(&self, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Row>, JournalError> {
        let statement = self.db.prepare_cached(&format!("SELECT {} FROM request {rest}", row::COLUMNS));
        let mut statement = statement.map_err(|source| self.error(source))?;
        let raw = statement.query_map(parameters, row::Raw::read).map_err(|source| self.error(source))?;
        // One after another: there may be many, and none is held twice.
        raw.map(|raw| raw.map_err(|source| self.error(source))?.parse()).collect()
    }

    fn error(&self, source: rusqlite::Error) -> JournalError {
        JournalError::Sqlite { path: self.path(), source }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(self.db.path().unwrap_or("journal.db"))
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("journal.db")
}

/// The journal as an older program left it, whole and durable before anything is changed: `journal.db.v2`.
fn keep_copy(db: &Connection, state: &Path, format: i64) -> Result<(), JournalError> {
    let path = state.join(format!("journal.db.v{format}"));
    let draft = state.join(format!("journal.db.v{format}.new"));
    let failed = |words: String| JournalError::Copy { path: path.clone(), words };
    durable::remove_file(&draft).map_err(|error| failed(error.to_string()))?;
    db.execute("VACUUM INTO ?1", [draft.to_string_lossy()]).map_err(|error| failed(error.to_string()))?;
    durable::sync_file(&draft).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&draft, &path).map_err(|error| failed(error.to_string()))?;
    durable::sync_folder(state).map_err(|error| failed(error.to_string()))
}

fn append_one(
    tx: &Transaction<'_>,
    at: &str,
    entry: &Entry,
    wrap: &dyn Fn(rusqlite::Error) -> JournalError,
) -> Result<(), JournalError> {
    let id = entry.id.to_string();
    let held: Option<String> = tx
        .prepare_cached("SELECT state FROM request WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([&id], |row| row.get(0)).optional())
        .map_err(wrap)?;
    let before = match &held {
        None => State::Unknown,
        Some(text) => match row::parse_state(&id, text)? {
            State::Built { .. } | State::Published { .. }
                if planted::is(Bug::RunAgain) && matches!(entry.event, Event::Start { .. }) =>
            {
                State::Seen
            }
            state => state,
        },
    };
    let after = state::next(&before, &entry.event).map_err(|source| JournalError::Illegal { id: entry.id, source })?;
    let body = serde_json::to_string(&entry.event).expect("an event is plain data");
    let state = serde_json::to_string(&after).expect("a state is plain data");
    tx.prepare_cached("INSERT INTO event (request, at, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute([&id, at, &body]))
        .map_err(wrap)?;
    if let Event::Seen { path, blob, introduced, .. } = &entry.event {
        tx.prepare_cached(
            "INSERT INTO request (id, path, blob, introduced, queued_at, phase, state, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5)
             ON CONFLICT (id) DO UPDATE SET path = ?2, blob = ?3, introduced = ?4, queued_at = ?5,
                phase = ?6, state = ?7, changed_at = ?5",
        )
        .and_then(|mut statement| statement.execute(params![id, path, blob, introduced, at, after.phase(), state]))
        .map_err(wrap)?;
        return Ok(());
    }
    let (place, kind) = match &entry.event {
        Event::Start { place, kind, .. } => (Some(place), kind.as_ref()),
        _ => (None, None),
    };
    tx.prepare_cached(
        "UPDATE request SET phase = ?2, state = ?3, changed_at = ?4, place = coalesce(?5, place),
            kind = coalesce(?6, kind) WHERE id = ?1",
    )
    .and_then(|mut statement| statement.execute(params![id, after.phase(), state, at, place, kind]))
    .map_err(wrap)?;
    Ok(())
}
