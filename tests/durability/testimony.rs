//! What handlers reported, held against what records say, and against each other.

use std::collections::{BTreeMap, BTreeSet};

use codex_dispatch::job::Delivery;
use codex_dispatch::outcome::Outcome;
use codex_dispatch::record::Record;

use crate::checker::{Evidence, Fault, Recorded, Violation};
use crate::rig::Submission;
use crate::witness::{Event, Word};

/// Each request's record against what its handler reported.
pub fn against_records(evidence: &Evidence, records: &BTreeMap<String, Recorded>) -> Vec<Violation> {
    let mut all = Vec::new();
    let known: BTreeSet<&str> = evidence.submissions.iter().map(|one| one.id.as_str()).collect();
    for event in evidence.events.iter().filter(|event| !known.contains(event.id.as_str())) {
        all.push(Violation::of(Fault::Untrue, &event.id, "a handler ran for what nobody submitted"));
    }
    for submission in &evidence.submissions {
        let own: Vec<&Event> = evidence.events.iter().filter(|event| event.id == submission.id).collect();
        let recorded = records.get(&submission.id);
        let mut found = starts(submission, &own);
        match recorded {
            Some(recorded) => found.extend(untrue(evidence, submission, &recorded.record, &own)),
            None if submission.superseded && own.is_empty() => {}
            None if evidence.settled => found.push((Fault::Lost, "it has no record".to_owned())),
            None => {}
        }
        all.extend(found.into_iter().map(|(fault, words)| Violation {
            commit: recorded.map(|recorded| recorded.commit.clone()),
            ..Violation::of(fault, &submission.id, words)
        }));
    }
    all
}

/// How often it was begun, and with which locks.
fn starts(submission: &Submission, own: &[&Event]) -> Vec<(Fault, String)> {
    let mut found = Vec::new();
    if own.iter().any(|event| event.resources != submission.resources) {
        found.push((Fault::Untrue, format!("ran with other locks than {}", submission.resources.join(", "))));
    }
    let begins: Vec<u32> = own.iter().filter(|event| event.word == Word::Begin).map(|event| event.attempt).collect();
    if submission.sort.delivery() == Delivery::AtMostOnce && begins.len() > 1 {
        found.push((Fault::Duplicated, format!("at-most-once, and begun {} times", begins.len())));
    }
    let attempts: BTreeSet<u32> = begins.iter().copied().collect();
    if attempts.len() < begins.len() {
        found.push((Fault::Duplicated, format!("the attempts that began are {begins:?}")));
    }
    found
}

/// What a record says that nobody has seen, and what was seen that it does not say.
fn untrue(evidence: &Evidence, submission: &Submission, record: &Record, own: &[&Event]) -> Vec<(Fault, String)> {
    let sort = submission.sort;
    let times =
        |word: Word, attempt: u32| own.iter().filter(|event| event.word == word && event.attempt == attempt).count();
    let mut found = Vec::new();
    let recorded: BTreeSet<u32> = record.attempts.iter().map(|attempt| attempt.number).collect();
    let begun: BTreeSet<u32> = own.iter().map(|event| event.attempt).collect();
    for attempt in begun.difference(&recorded) {
        found.push((Fault::Unrecorded, format!("attempt {attempt} was begun and does not stand in its record")));
    }
    for attempt in &record.attempts {
        let number = attempt.number;
        let whole = times(Word::Begin, number) == 1 && times(Word::End, number) == 1;
        let reason = attempt.reason.as_deref().unwrap_or_default();
        if attempt.exit_code.is_some_and(|code| code != sort.exit_code(number) || !whole) {
            let words = format!("attempt {number} has exit code {:?}, which nobody has seen", attempt.exit_code);
            found.push((Fault::Untrue, words));
        }
        if reason.starts_with("not_started") && begun.contains(&number) {
            found.push((Fault::Untrue, format!("attempt {number} is `{reason}`, and was begun")));
        }
    }
    if !fits(evidence, submission, record) {
        let reason = record.reason.as_deref().unwrap_or("no reason");
        let words = format!("it is recorded {} ({reason}), and what was seen is not that", record.outcome);
        found.push((Fault::Untrue, words));
    }
    if !evidence.disturbed && record.attempts.len() != sort.attempts() {
        let (number, due) = (record.attempts.len(), sort.attempts());
        found.push((Fault::Untrue, format!("{number} attempts, where {due} were due")));
    }
    found
}

/// Whether a request of this sort may have come to this end.
fn fits(evidence: &Evidence, submission: &Submission, record: &Record) -> bool {
    let due = submission.sort.outcome();
    let as_ever = record.outcome == due;
    let last_exit = record.attempts.last().and_then(|attempt| attempt.exit_code);
    match record.outcome {
        Outcome::Rejected => as_ever && record.attempts.is_empty(),
        Outcome::Succeeded => as_ever && last_exit == Some(0),
        Outcome::Failed => {
            let unstarted = |reason: &str| reason.starts_with("not_started");
            let could_not = record.reason.as_deref().is_some_and(unstarted) && evidence.disturbed;
            as_ever && last_exit == Some(3) || could_not && due != Outcome::Rejected
        }
        // Of what was refused the end is known. That something was started is the journal's word, when no handler reported it.
        Outcome::Indeterminate | Outcome::Killed => {
            evidence.disturbed && due != Outcome::Rejected && !record.attempts.is_empty()
        }
        Outcome::TimedOut | Outcome::Expired | Outcome::Cancelled => false,
    }
}

/// No two handlers at once on a resource. One without `end` was killed: that nothing of it lived any more when the next one
/// came is what its own lock shows.
pub fn at_once(events: &[Event]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut running: BTreeMap<&str, &Event> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        for key in &event.resources {
            match event.word {
                Word::Clash => {
                    let words = format!("attempt {} began while something on `{key}` lived", event.attempt);
                    found.push(Violation::of(Fault::Overlap, &event.id, words));
                }
                Word::Begin => {
                    let before = running.insert(key, event);
                    let ends_later = |other: &&Event| {
                        let same = |later: &Event| {
                            later.word == Word::End && later.id == other.id && later.attempt == other.attempt
                        };
                        events[index..].iter().any(same)
                    };
                    if let Some(other) = before.filter(ends_later) {
                        let words = format!("attempt {} began on `{key}` before {} ended", event.attempt, other.id);
                        found.push(Violation::of(Fault::Overlap, &event.id, words));
                    }
                }
                Word::End => {
                    if running.get(key.as_str()).is_some_and(|other| other.id == event.id) {
                        running.remove(key.as_str());
                    }
                }
            }
        }
    }
    found
}

/// On each resource handlers begin in the order of main: position of the introducing commit, then path. One that is tried
/// again keeps its place.
pub fn out_of_order(evidence: &Evidence, positions: &BTreeMap<String, usize>) -> Vec<Violation> {
    let mut found = Vec::new();
    if !evidence.ordered {
        return found;
    }
    let place = |one: &Submission| Some((*positions.get(&one.commit)?, one.path.clone()));
    let orders: BTreeMap<&str, (usize, String)> =
        evidence.submissions.iter().filter_map(|one| Some((one.id.as_str(), place(one)?))).collect();
    let mut furthest: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for event in evidence.events.iter().filter(|event| event.word == Word::Begin) {
        let Some(order) = orders.get(event.id.as_str()) else { continue };
        for key in &event.resources {
            let most = furthest.entry(key).or_insert_with(|| order.clone());
            if order < most {
                let words =
                    format!("attempt {} began on `{key}` after `{}`, which stands behind it", event.attempt, most.1);
                found.push(Violation::of(Fault::Order, &event.id, words));
            } else {
                *most = order.clone();
            }
        }
    }
    found
}
