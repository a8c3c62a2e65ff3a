//! Raising a journal of an earlier format: first a copy of it, whole and durable, then what the new format has more.

use std::path::Path;

use rusqlite::Connection;

use super::{FORMAT, JournalError, starts};
use crate::durable;

/// Raises the journal of a state folder to the present format. The file as the older program left it is kept beside it, as
/// `journal.db.v2`.
pub(super) fn raise(db: &mut Connection, state: &Path, format: i64) -> Result<(), JournalError> {
    keep_copy(db, state, format)?;
    let raised = db.transaction().and_then(|tx| {
        tx.execute_batch(starts::SCHEMA)?;
        tx.pragma_update(None, "user_version", FORMAT)?;
        tx.commit()
    });
    raised.map_err(|source| JournalError::Sqlite { path: super::file(state), source })
}

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
