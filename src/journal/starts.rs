//! The first starts of requests, one row each, so that those of the last while can be counted after a restart: what `rate` in
//! the host file bounds. Written with START, in one transaction; never more of them than any line can ask for.

use rusqlite::{Transaction, params};

use super::{Journal, JournalError};
use crate::event::Event;
use crate::host_file::RATE_MAX;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS start (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    boot TEXT NOT NULL,
    up_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS start_kind ON start (kind, seq);
";

/// When a request was started first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStart {
    /// By the wall clock, RFC 3339.
    pub at: String,
    /// In which boot of the machine.
    pub boot: String,
    /// How long the machine had been up then, in milliseconds.
    pub up_ms: u64,
}

/// Notes a first start, and forgets one that no line can ask for any more.
pub(super) fn note(tx: &Transaction<'_>, at: &str, event: &Event) -> rusqlite::Result<()> {
    let Event::Start { attempt: 1, boot, up_ms: Some(up_ms), kind: Some(kind), .. } = event else { return Ok(()) };
    let up_ms = i64::try_from(*up_ms).unwrap_or(i64::MAX);
    tx.prepare_cached("INSERT INTO start (kind, at, boot, up_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![kind, at, boot, up_ms])?;
    let oldest = tx.last_insert_rowid() - i64::from(RATE_MAX) * 2;
    tx.prepare_cached("DELETE FROM start WHERE seq <= ?1")?.execute([oldest]).map(drop)
}

impl Journal {
    /// The last first starts, of one kind or of all, youngest first, at most `most`.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn first_starts(&self, kind: Option<&str>, most: u32) -> Result<Vec<FirstStart>, JournalError> {
        let which = if kind.is_some() { "WHERE kind = ?1" } else { "WHERE ?1 IS NULL" };
        self.db
            .prepare_cached(&format!("SELECT at, boot, up_ms FROM start {which} ORDER BY seq DESC LIMIT ?2"))
            .and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| {
                    let up_ms: i64 = row.get(2)?;
                    Ok(FirstStart { at: row.get(0)?, boot: row.get(1)?, up_ms: up_ms.unsigned_abs() })
                };
                statement.query_map(params![kind, most], read)?.collect()
            })
            .map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;
    use crate::job::Publish;
    use crate::journal::Entry;

    fn start(attempt: u32, kind: &str, up_ms: u64) -> Event {
        Event::Start {
            attempt,
            nonce: "n".into(),
            commit: "c".into(),
            place: "a".into(),
            boot: "x".into(),
            up_ms: Some(up_ms),
            kind: Some(kind.into()),
            publish: Publish::Full,
            run_as: None,
            layers: Vec::new(),
        }
    }

    #[test]
    fn first_starts_are_known_after_a_restart_and_further_attempts_are_none() {
        let folder = tempfile::tempdir().expect("temp folder");
        let at = "2026-01-02T03:04:05Z";
        let mut journal = Journal::open(folder.path()).expect("opens");
        for (number, kind) in ["a", "b", "a"].into_iter().enumerate() {
            let id = RequestId::derived("c", "p", &number.to_string());
            let step = |event| Entry { id, event };
            let seen = Event::Seen {
                path: format!("requests/{number}.yml"),
                blob: "b".into(),
                introduced: "c".into(),
                base: "c".into(),
            };
            let again = Event::Exit {
                attempt: 1,
                outcome: crate::outcome::Outcome::Failed,
                exit_code: Some(75),
                reason: None,
                terminal: false,
                retry_at: Some(at.into()),
                log_sha256: None,
            };
            let up_ms = 1000 * (number as u64 + 1);
            let steps = [seen, start(1, kind, up_ms), again, start(2, kind, up_ms + 500)].map(step);
            journal.append(at, &steps, &[]).expect("legal");
        }
        let journal = Journal::open(folder.path()).expect("opens again");
        let ups = |kind: Option<&str>, most| -> Vec<u64> {
            journal.first_starts(kind, most).expect("readable").iter().map(|start| start.up_ms).collect()
        };
        assert_eq!(ups(None, 9), [3000, 2000, 1000]);
        assert_eq!((ups(Some("a"), 9), ups(Some("a"), 1), ups(Some("c"), 9)), (vec![3000, 1000], vec![3000], vec![]));
    }
}
