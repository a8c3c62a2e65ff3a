//! What the journal keeps, and what it refuses.

use super::*;
use crate::outcome::Outcome;

const AT: &str = "2026-01-02T03:04:05Z";
const OLD_INDEXES: &str = "
    CREATE INDEX request_open ON request (phase) WHERE phase NOT IN ('published', 'withdrawn');
    CREATE INDEX request_changed ON request (changed_at);";

fn id(n: u8) -> RequestId {
    RequestId::derived("c", "p", &n.to_string())
}
fn seen(n: u8) -> Entry {
    let event =
        Event::Seen { path: format!("requests/{n}.yml"), blob: "b".into(), introduced: "c".into(), base: "c".into() };
    Entry { id: id(n), event }
}
fn rejected(n: u8) -> Entry {
    let event = Event::Exit {
        attempt: 0,
        outcome: Outcome::Rejected,
        exit_code: Some(64),
        reason: None,
        terminal: true,
        retry_at: None,
        log_sha256: None,
    };
    Entry { id: id(n), event }
}

#[test]
fn a_restart_finds_what_was_written() {
    let folder = tempfile::tempdir().expect("temp folder");
    Journal::open(folder.path()).expect("opens").append(AT, &[seen(1), seen(2), rejected(2)], &[]).expect("legal");
    let journal = Journal::open(folder.path()).expect("opens again");
    let open = journal.open_requests().expect("readable");
    assert_eq!(open.len(), 2);
    assert_eq!(journal.get(id(1)).expect("readable").expect("there").state, State::Seen);
    assert_eq!(
        journal.get(id(2)).expect("readable").expect("there").state,
        State::Ended { outcome: Outcome::Rejected }
    );
    assert_eq!(journal.events(id(2)).expect("readable").len(), 2);
}

#[test]
fn what_ended_is_found_behind_any_number_that_waits() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut journal = Journal::open(folder.path()).expect("opens");
    journal.append("2026-01-01T00:00:00Z", &[seen(1), rejected(1), seen(2), rejected(2)], &[]).expect("legal");
    journal.append("2026-01-02T00:00:00Z", &[seen(3), rejected(3)], &[]).expect("legal");
    journal.append(AT, &[seen(4), seen(5), seen(6)], &[]).expect("legal");
    let ids = |most, skip| -> Vec<RequestId> {
        journal.recently_ended(most, skip).expect("readable").iter().map(|row| row.id).collect()
    };
    let all = ids(9, 0);
    assert_eq!((all.len(), all[0]), (3, id(3)));
    assert_eq!([ids(2, 0), ids(2, 2)].concat(), all);
    let open = journal.open_requests().expect("readable");
    let under_way = journal.open_in(&state::UNDER_WAY).expect("readable");
    assert_eq!((open.len(), under_way.len()), (6, 3));
    assert!(under_way.iter().all(|row| !row.state.is_pending()));
}

#[test]
fn an_illegal_step_takes_the_whole_batch_back() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut journal = Journal::open(folder.path()).expect("opens");
    let refused = journal.append(AT, &[seen(1), rejected(2)], &[]);
    assert!(matches!(refused, Err(JournalError::Illegal { .. })), "{refused:?}");
    assert!(journal.get(id(1)).expect("readable").is_none());
}

#[test]
fn a_journal_of_an_earlier_format_is_raised_and_a_copy_kept() {
    for (format, filled, phase, steps) in
        [(1, include_str!("v1.sql"), "running", 2), (2, include_str!("v2.sql"), "acting", 4)]
    {
        let folder = tempfile::tempdir().expect("temp folder");
        let file = folder.path().join("journal.db");
        let db = Connection::open(&file).expect("opens");
        db.execute_batch(SCHEMA).expect("made");
        db.execute_batch(OLD_INDEXES).expect("made");
        db.execute_batch(filled).expect("filled as that version did");
        drop(db);
        let reader = Journal::open_to_read(folder.path()).expect("readable").expect("there");
        assert_eq!(reader.open_requests().expect("rows").len(), 1);
        drop(reader);
        let version = |path: &Path| -> i64 {
            Connection::open(path)
                .expect("opens")
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .expect("set")
        };
        assert_eq!(version(&file), format, "reading changes nothing");
        let journal = Journal::open(folder.path()).expect("raised");
        let rows = journal.open_requests().expect("rows");
        assert_eq!(rows.iter().map(|row| row.state.phase()).collect::<Vec<_>>(), [phase]);
        assert_eq!(journal.events(rows[0].id).expect("events").len(), steps);
        let indexes = "SELECT count(*) FROM sqlite_schema WHERE name IN ('request_open', 'request_under_way')";
        assert_eq!(journal.db.query_row(indexes, [], |row| row.get::<_, i64>(0)).expect("counted"), 1);
        drop(journal);
        let copy = folder.path().join(format!("journal.db.v{format}"));
        assert_eq!((version(&file), version(&copy)), (FORMAT, format));
        Journal::open(folder.path()).expect("opens again");
    }
}

#[test]
fn claims_survive_a_restart_with_their_commits() {
    let folder = tempfile::tempdir().expect("temp folder");
    let claim =
        Claim { nonce: "n".into(), commit: "claim".into(), locks: [("host/a".to_owned(), "lock".to_owned())].into() };
    let steps = [seen(1), Entry { id: id(1), event: Event::Claim(claim.clone()) }];
    Journal::open(folder.path()).expect("opens").append(AT, &steps, &[]).expect("legal");
    let mut journal = Journal::open(folder.path()).expect("opens again");
    assert_eq!(journal.get(id(1)).expect("readable").expect("there").state, State::Claiming { claim: claim.clone() });
    assert!(matches!(journal.append(AT, &[rejected(1)], &[]), Err(JournalError::Illegal { .. })));
    let claimed = Entry { id: id(1), event: Event::Claimed { tip: "t".into() } };
    journal.append(AT, &[claimed, rejected(1)], &[]).expect("legal");
    assert_eq!(journal.claims_of(id(1)).expect("readable"), [claim]);
}

#[test]
fn a_journal_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().expect("temp folder");
    Journal::open(folder.path()).expect("opens").db.pragma_update(None, "user_version", FORMAT + 1).expect("set");
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::Newer { .. })));
    assert!(matches!(Journal::open_to_read(folder.path()), Err(JournalError::Newer { .. })));
}

#[test]
fn counters_add_up_over_restarts() {
    let folder = tempfile::tempdir().expect("temp folder");
    let one = Count { name: "runs".into(), labels: "{}".into(), value: 2.0 };
    Journal::open(folder.path()).expect("opens").append(AT, &[], std::slice::from_ref(&one)).expect("counted");
    let mut journal = Journal::open(folder.path()).expect("opens again");
    journal.append(AT, &[], std::slice::from_ref(&one)).expect("counted");
    assert_eq!(journal.counters().expect("readable"), vec![Count { value: 4.0, ..one }]);
}

#[test]
fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().expect("temp folder");
    assert!(Journal::open_to_read(folder.path()).expect("nothing there").is_none());
    drop(Journal::open(folder.path()).expect("opens"));
    let mut reader = Journal::open_to_read(folder.path()).expect("readable").expect("there");
    assert!(reader.set_meta("a", "b").is_err());
}
