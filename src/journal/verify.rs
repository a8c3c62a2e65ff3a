//! Whether the journal agrees with itself: the table of requests has to be the fold of the steps, and the fold has to take
//! every one of them.

use std::collections::BTreeMap;

use super::{Journal, JournalError};
use crate::event::Event;
use crate::state::{self, State};

/// A request that the journal contradicts itself about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The request's id, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub words: String,
}

/// What the table of requests says of one.
struct Told {
    phase: String,
    state: String,
    place: Option<String>,
}

impl Journal {
    /// Folds all steps of all requests anew and holds them against the table of requests. Reads the whole journal; nothing
    /// found is what is expected of it.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`] where it cannot be read.
    pub fn contradictions(&self) -> Result<Vec<Contradiction>, JournalError> {
        // Both as they are at one moment, whatever a running dispatcher writes meanwhile.
        let read = self.db.unchecked_transaction().and_then(|_moment| Ok((self.all_told()?, self.all_steps()?)));
        let (told, steps) = read.map_err(|source| self.error(source))?;
        let mut found = Vec::new();
        for (id, told) in &told {
            let steps = steps.get(id).map(Vec::as_slice).unwrap_or_default();
            found.extend(contradiction(told, steps).map(|words| Contradiction { id: id.clone(), words }));
        }
        for id in steps.keys().filter(|id| !told.contains_key(*id)) {
            found.push(Contradiction { id: id.clone(), words: "it has steps and no row".to_owned() });
        }
        Ok(found)
    }

    fn all_told(&self) -> rusqlite::Result<BTreeMap<String, Told>> {
        let mut statement = self.db.prepare("SELECT id, phase, state, place FROM request")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get(0)?, Told { phase: row.get(1)?, state: row.get(2)?, place: row.get(3)? }))
        })?;
        rows.collect()
    }

    fn all_steps(&self) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
        let mut statement = self.db.prepare("SELECT request, body FROM event ORDER BY seq")?;
        let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            steps.entry(row.get(0)?).or_default().push(row.get(1)?);
        }
        Ok(steps)
    }
}

fn contradiction(told: &Told, steps: &[String]) -> Option<String> {
    let (mut state, mut place) = (State::Unknown, None);
    for (number, body) in (1..).zip(steps) {
        let event: Event = match serde_json::from_str(body) {
            Ok(event) => event,
            Err(error) => return Some(format!("step {number} cannot be read: {error}")),
        };
        state = match state::next(&state, &event) {
            Ok(state) => state,
            Err(illegal) => return Some(format!("step {number}: {illegal}")),
        };
        if let Event::Start { place: there, .. } = event {
            place = Some(there);
        }
    }
    let stands: State = match serde_json::from_str(&told.state) {
        Ok(stands) => stands,
        Err(error) => return Some(format!("its state cannot be read: {error}")),
    };
    if stands != state {
        return Some(format!("its steps lead to {state:?}, its row says {stands:?}"));
    }
    if told.phase != state.phase() {
        return Some(format!("it is {}, and its row is filed under {}", state.phase(), told.phase));
    }
    (place.is_some() && told.place != place)
        .then(|| format!("it was started for {place:?}, its row says {:?}", told.place))
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::id::RequestId;
    use crate::journal::Entry;
    use crate::outcome::Outcome;

    const AT: &str = "2026-01-02T03:04:05Z";

    fn journal(folder: &tempfile::TempDir) -> Journal {
        let mut journal = Journal::open(folder.path()).expect("opens");
        let id = RequestId::derived("c", "p", "b");
        let word = || "c".to_owned();
        let seen = Event::Seen { path: "requests/a.yml".to_owned(), blob: word(), introduced: word(), base: word() };
        let start = Event::Start {
            attempt: 1,
            nonce: word(),
            commit: word(),
            place: "a".to_owned(),
            boot: word(),
            up_ms: None,
            kind: None,
            publish: crate::job::Publish::Full,
            run_as: None,
            layers: Vec::new(),
        };
        let exit = Event::Exit {
            attempt: 1,
            outcome: Outcome::Failed,
            exit_code: Some(1),
            reason: None,
            terminal: true,
            retry_at: None,
            log_sha256: None,
        };
        for event in [seen, start, exit] {
            journal.append(AT, &[Entry { id, event }], &[]).expect("legal");
        }
        journal
    }

    #[test]
    fn a_journal_that_was_written_by_us_agrees_with_itself() {
        let folder = tempfile::tempdir().expect("temp folder");
        assert_eq!(journal(&folder).contradictions().expect("readable"), []);
    }

    #[test]
    fn what_somebody_changed_in_it_is_found() {
        let published = serde_json::to_string(&State::Published { outcome: Outcome::Failed }).expect("plain data");
        for (change, value, words) in [
            ("UPDATE request SET state = ?1", published.as_str(), "its steps lead to Ended"),
            ("UPDATE request SET phase = ?1", "published", "filed under published"),
            ("UPDATE request SET place = ?1", "b", "it was started for"),
            ("UPDATE request SET state = ?1", "{}", "its state cannot be read"),
            ("DELETE FROM event WHERE seq = 3 AND ?1 = ''", "", "its steps lead to Running"),
            ("DELETE FROM event WHERE seq = 2 AND ?1 = ''", "", "step 2: illegal step"),
            ("UPDATE event SET body = ?1 WHERE seq = 3", "{", "step 3 cannot be read"),
            ("DELETE FROM request WHERE ?1 = ''", "", "it has steps and no row"),
        ] {
            let folder = tempfile::tempdir().expect("temp folder");
            let journal = journal(&folder);
            journal.db.execute(change, params![value]).expect("changed");
            let found = journal.contradictions().expect("readable");
            assert!(found.len() == 1 && found[0].words.contains(words), "{change}: {found:?}");
        }
    }
}
