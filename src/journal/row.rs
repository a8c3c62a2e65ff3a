//! One request as the journal's `request` table holds it.

use rusqlite::Row as SqlRow;

use super::JournalError;
use crate::id::RequestId;
use crate::state::State;

pub(super) const COLUMNS: &str =
    "id, path, blob, introduced, queued_at, kind, idempotency_key, spec_sha256, place, state, changed_at";

/// A request as this host knows it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: RequestId,
    /// Path in the inbox.
    pub path: String,
    /// Object id of the request file.
    pub blob: String,
    /// Introducing commit.
    pub introduced: String,
    /// When it was first met here, RFC 3339.
    pub queued_at: String,
    /// Kind, once it was parsed.
    pub kind: Option<String>,
    /// Idempotency key, where it has one.
    pub idempotency_key: Option<String>,
    /// Digest of the spec, to tell another spec under the same key.
    pub spec_sha256: Option<String>,
    /// Where its record stands or will stand below the output folder.
    pub place: Option<String>,
    /// The fold of its events.
    pub state: State,
    /// When its state last changed, RFC 3339.
    pub changed_at: String,
}

/// What admission learnt of a request.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// Kind.
    pub kind: Option<String>,
    /// Idempotency key.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the canonical spec.
    pub spec_sha256: Option<String>,
    /// Place of the record below the output folder, where already chosen.
    pub place: Option<String>,
}

pub(super) struct Raw {
    id: String,
    state: String,
    row: [Option<String>; 9],
}

impl Raw {
    pub(super) fn read(row: &SqlRow<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            state: row.get(9)?,
            row: [
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(10)?,
            ],
        })
    }

    pub(super) fn parse(self) -> Result<Row, JournalError> {
        let state = parse_state(&self.id, &self.state)?;
        let id = self
            .id
            .parse()
            .map_err(|error: uuid::Error| JournalError::Corrupt { id: self.id, words: error.to_string() })?;
        let [path, blob, introduced, queued_at, kind, idempotency_key, spec_sha256, place, changed_at] = self.row;
        Ok(Row {
            id,
            path: path.unwrap_or_default(),
            blob: blob.unwrap_or_default(),
            introduced: introduced.unwrap_or_default(),
            queued_at: queued_at.unwrap_or_default(),
            kind,
            idempotency_key,
            spec_sha256,
            place,
            state,
            changed_at: changed_at.unwrap_or_default(),
        })
    }
}

pub(super) fn parse_state(id: &str, text: &str) -> Result<State, JournalError> {
    serde_json::from_str(text).map_err(|error| JournalError::Corrupt { id: id.to_owned(), words: error.to_string() })
}
