//! The message of a commit that publishes records, and the trailers in it.
//!
//! Owns the wording that other dispatchers and the users' tools read. Every word in it from a request is
//! made one harmless line first: nobody may write a trailer of ours through a file name.

use std::fmt::Write as _;
use std::time::Duration;

use uuid::Uuid;

use super::{Record, visible};
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::units::format_duration;

/// Trailer that names a request.
pub const TRAILER_ID: &str = "Dispatch-Id";
/// Trailer that says how the request named just above ended.
pub const TRAILER_OUTCOME: &str = "Dispatch-Outcome";
/// Trailer that names the state folder of the dispatcher that wrote the commit.
pub const TRAILER_STATE: &str = "Dispatch-State";

/// The message for these records. `suffix` goes behind the subject ("[skip ci]"); empty = none.
pub fn message(records: &[&Record], state: Uuid, suffix: &str) -> String {
    let mut text = match records {
        [one] => format!("executor: {} rc={}", one.id, one.rc()),
        many => format!("executor: {} requests", many.len()),
    };
    let suffix = visible::line(suffix.trim());
    if !suffix.is_empty() {
        text.push(' ');
        text.push_str(&suffix);
    }
    text.push_str("\n\n");
    if records.len() > 1 {
        for record in records {
            let (id, outcome, rc) = (record.id, record.outcome, record.rc());
            let name = visible::line(&record.name);
            writeln!(text, "{id} {outcome} rc={rc} {name}").expect("a String takes all");
        }
        text.push('\n');
    }
    for record in records {
        writeln!(text, "{TRAILER_ID}: {}", record.id).expect("a String takes all");
        writeln!(text, "{TRAILER_OUTCOME}: {}", record.outcome).expect("a String takes all");
    }
    writeln!(text, "{TRAILER_STATE}: {state}").expect("a String takes all");
    text
}

/// The message of a commit that takes the output of old records away. It names no request, so that nobody takes it for one
/// that brings records; `state` is none where no dispatcher made it.
pub fn retention_message(records: usize, span: Duration, state: Option<Uuid>, suffix: &str) -> String {
    let noun = if records == 1 { "record" } else { "records" };
    let mut text = format!("executor: retention of {records} {noun}");
    let suffix = visible::line(suffix.trim());
    if !suffix.is_empty() {
        text.push(' ');
        text.push_str(&suffix);
    }
    writeln!(text, "\n\nOutput older than {} leaves main; status files stay.", format_duration(span))
        .expect("a String takes all");
    if let Some(state) = state {
        writeln!(text, "\n{TRAILER_STATE}: {state}").expect("a String takes all");
    }
    text
}

/// The values of one trailer in a commit message, in order. Trailers stand in the last paragraph, and only there.
pub fn trailers<'m>(message: &'m str, key: &str) -> impl Iterator<Item = &'m str> {
    let message = message.trim_end();
    // A message of one paragraph is a subject, and has no trailers.
    let last = message.rfind("\n\n").map_or("", |border| &message[border + 2..]);
    last.lines().filter_map(move |line| {
        let (word, value) = line.split_once(':')?;
        word.eq_ignore_ascii_case(key).then(|| value.trim())
    })
}

/// The state folder whose dispatcher wrote a commit with this message.
pub fn state_of(message: &str) -> Option<Uuid> {
    trailers(message, TRAILER_STATE).find_map(|value| Uuid::parse_str(value).ok())
}

/// The requests whose records a commit with this message brings, each with its outcome.
pub fn records_of(message: &str) -> Vec<(RequestId, Outcome)> {
    let ids = trailers(message, TRAILER_ID).map(str::parse::<RequestId>);
    let outcomes = trailers(message, TRAILER_OUTCOME).map(str::parse::<Outcome>);
    // They stand in pairs; a message in which they do not is none of ours.
    ids.zip(outcomes).filter_map(|(id, outcome)| Some((id.ok()?, outcome.ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: Uuid = Uuid::from_u128(7);

    fn record(outcome: Outcome, last: u8, name: &str) -> Record {
        let id = format!("0198c0de-1111-7222-8333-4444555500{last:02x}");
        Record::new(outcome, id.parse().expect("uuid"), name)
    }

    #[test]
    fn one_request_has_its_code_in_the_subject() {
        let record = record(Outcome::Rejected, 1, "bad");
        assert_eq!(
            message(&[&record], STATE, ""),
            "executor: 0198c0de-1111-7222-8333-444455550001 rc=64\n\n\
             Dispatch-Id: 0198c0de-1111-7222-8333-444455550001\n\
             Dispatch-Outcome: rejected\n\
             Dispatch-State: 00000000-0000-0000-0000-000000000007\n"
        );
    }

    #[test]
    fn a_batch_has_a_line_each() {
        let (one, two) = (record(Outcome::Succeeded, 1, "ops/a"), record(Outcome::TimedOut, 2, "b"));
        assert_eq!(
            message(&[&one, &two], STATE, "[skip ci]"),
            "executor: 2 requests [skip ci]\n\n\
             0198c0de-1111-7222-8333-444455550001 succeeded rc=0 ops/a\n\
             0198c0de-1111-7222-8333-444455550002 timed_out rc=124 b\n\n\
             Dispatch-Id: 0198c0de-1111-7222-8333-444455550001\n\
             Dispatch-Outcome: succeeded\n\
             Dispatch-Id: 0198c0de-1111-7222-8333-444455550002\n\
             Dispatch-Outcome: timed_out\n\
             Dispatch-State: 00000000-0000-0000-0000-000000000007\n"
        );
    }

    #[test]
    fn what_a_commit_brings_is_read_back() {
        let (one, two) = (record(Outcome::Succeeded, 1, "ops/a"), record(Outcome::TimedOut, 2, "b"));
        let found = records_of(&message(&[&one, &two], STATE, ""));
        assert_eq!(found, [(one.id, Outcome::Succeeded), (two.id, Outcome::TimedOut)]);
        assert_eq!(records_of("subject\n\nDispatch-Id: x\nDispatch-Outcome: succeeded\n"), []);
        assert_eq!(records_of("Dispatch-Id: 0198c0de-1111-7222-8333-444455550001"), []);
    }

    #[test]
    fn names_and_suffixes_cannot_forge_trailers() {
        let forged = "x\n\nDispatch-State: 00000000-0000-0000-0000-000000000009";
        let (one, two) = (record(Outcome::Rejected, 1, forged), record(Outcome::Rejected, 2, "b"));
        for text in [message(&[&one, &two], STATE, forged), message(&[&one], STATE, forged)] {
            assert_eq!(state_of(&text), Some(STATE), "{text}");
            assert_eq!(trailers(&text, TRAILER_STATE).count(), 1, "{text}");
        }
    }

    #[test]
    fn trailers_are_read_from_the_last_paragraph_only() {
        for (message, expected) in [
            ("subject\n\nDispatch-Id: a\nDISPATCH-ID:b \n\n", vec!["a", "b"]),
            ("subject\n\nDispatch-Id: a\n\nSigned-off-by: x\n", vec![]),
            ("Dispatch-Id: a", vec![]),
            ("", vec![]),
            ("s\n\nno trailer here\nDispatch-Id: c", vec!["c"]),
        ] {
            assert_eq!(trailers(message, TRAILER_ID).collect::<Vec<_>>(), expected, "{message:?}");
        }
        assert_eq!(state_of("s\n\nDispatch-State: rubbish"), None);
    }
}
