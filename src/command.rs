//! What a request of a reserved kind (`dispatch.…`) asks of the dispatcher itself: a person's word on a request whose end is
//! not known, the end of one that is not wanted any more, a pause and its end; and what the word looks like afterwards.
//!
//! Owns the schemas of these kinds (those of `schemas/dispatch/`, compiled in, so that no commit can change them) and the
//! form of a resolution. Pure: what a word does to a request is the dispatcher's.
//!
//! | code | fault |
//! |---|---|
//! | E0210 | a key that says nothing to the dispatcher itself |
//! | E0211 | there is nothing to resolve (raised where the request is known) |
//! | E0212 | there is nothing to cancel (raised where the request is known) |
//! | E0213 | a pause that is over (raised where the time is known) |

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::pause::{PAUSE, RESUME, Scope};
use crate::record::Record;
use crate::request::Envelope;
use crate::schema::Schema;

/// The kind that settles what is not known.
pub const RESOLVE: &str = "dispatch.resolve";

/// The kind that ends what is not wanted any more.
pub const CANCEL: &str = "dispatch.cancel";

/// The longest note or reason, in characters, as the schemas say.
pub const NOTE_CHARS_MAX: usize = 1024;

/// The schema of each kind.
const SCHEMAS: [(&str, &str, &str); 4] = [
    (RESOLVE, "schemas/dispatch/resolve.schema.json", include_str!("../schemas/dispatch/resolve.schema.json")),
    (CANCEL, "schemas/dispatch/cancel.schema.json", include_str!("../schemas/dispatch/cancel.schema.json")),
    (PAUSE, "schemas/dispatch/pause.schema.json", include_str!("../schemas/dispatch/pause.schema.json")),
    (RESUME, "schemas/dispatch/resume.schema.json", include_str!("../schemas/dispatch/resume.schema.json")),
];

/// Keys of the envelope that say something about a handler's run, of which there is none.
pub(crate) const MEANINGLESS: [&str; 6] =
    ["resource", "timeout", "not_before", "expires", "idempotency_key", "rerun_of"];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Settle a request.
    Resolve(Resolve),
    /// End a request that has not ended.
    Cancel(Cancel),
    /// Start nothing more of something.
    Pause(Pause),
    /// Start it again.
    Resume(Resume),
}

impl Command {
    /// The kind that asks for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(_) => RESOLVE,
            Self::Cancel(_) => CANCEL,
            Self::Pause(_) => PAUSE,
            Self::Resume(_) => RESUME,
        }
    }
}

/// The spec of `dispatch.cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The request that shall end.
    pub id: RequestId,
    /// In words, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Cancel {
    /// `reason` in the record of what it has ended.
    pub fn words(reason: Option<&str>) -> String {
        reason.map_or_else(|| "cancelled".to_owned(), |reason| format!("cancelled: {reason}"))
    }
}

/// The spec of `dispatch.pause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What is paused.
    #[serde(flatten)]
    pub scope: Scope,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The spec of `dispatch.resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// What is not paused any more.
    #[serde(flatten)]
    pub scope: Scope,
    /// In words, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `result` in the record of a cancelling request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Cancel,
    /// What came of it.
    pub done: Ended,
    /// How the request ended.
    pub outcome: Outcome,
}

/// What came of the wish that a request shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It was not started, and is not.
    Unstarted,
    /// It was started, and was ended; nothing more of it starts.
    Stopped,
    /// It came to another end before the word could reach it.
    TooLate,
}

/// What an attempt that was told to end has come to, where that decides the outcome. What ended by itself before the word
/// reached it keeps its outcome, unless something would have followed: nothing of it starts any more.
pub fn outcome_of_cancelled(came_to: Outcome, goes_on: bool) -> Outcome {
    if goes_on { Outcome::Cancelled } else { came_to }
}

/// The spec of `dispatch.resolve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// The request that is settled.
    pub id: RequestId,
    /// What the person found.
    #[serde(rename = "as")]
    pub word: Word,
    /// In words, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A person's word on a request whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// It is to be done (again).
    Rerun,
}

/// A word that was taken, as the record of the resolving request says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The request that was settled.
    pub id: RequestId,
    /// How.
    #[serde(rename = "as")]
    pub word: Word,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The request that said so.
    pub by: RequestId,
    /// Its author.
    pub who: String,
    /// Its introducing commit.
    pub commit: String,
    /// The request that does it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<RequestId>,
}

/// `result` in the record of a resolving request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Resolve,
    /// What came of it.
    pub done: Done,
    /// The request that does it again, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<RequestId>,
}

/// What came of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// The record stays as it is, and this word stands beside it.
    Settled,
    /// The request lay in the inbox and was ended with that outcome.
    Ended,
    /// The request lies in the inbox and may start.
    Released,
    /// A new request with the same content was written into the inbox.
    Repeated,
}

impl Word {
    /// The word in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rerun => "rerun",
        }
    }

    /// The outcome that it stands for; `None` where it asks for another run.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Succeeded => Some(Outcome::Succeeded),
            Self::Failed => Some(Outcome::Failed),
            Self::Rerun => None,
        }
    }
}

/// Why a request cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncancellable {
    /// There is no such request.
    Unknown,
    /// It has ended.
    Ended(Outcome),
}

impl Uncancellable {
    /// The code of the refusal.
    pub const CODE: &str = "E0212";
    /// Its class.
    pub const REASON: &str = "not_cancellable";

    /// What is wrong, and what to do.
    pub fn words(self, id: RequestId) -> (String, &'static str) {
        match self {
            Self::Unknown => (
                format!("no request has the id {id}"),
                "`dispatch list` shows those there are; the spec takes the whole id",
            ),
            Self::Ended(outcome) => (
                format!("{id} ended {outcome}: there is nothing to cancel"),
                "what has ended is not undone; merge a request that undoes it",
            ),
        }
    }
}

/// Why a person's word cannot apply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolvable {
    /// It was started, and somebody watches it.
    Started,
    /// It lies in the inbox under this path, and nobody has started it.
    Waiting(String),
    /// There is no such request.
    Unknown,
    /// Its outcome is known.
    Known(Outcome),
    /// Somebody has said it already, in these words.
    Settled(String),
}

impl Unresolvable {
    /// The code of the refusal.
    pub const CODE: &str = "E0211";
    /// Its class.
    pub const REASON: &str = "not_resolvable";

    /// What is wrong, and what to do.
    pub fn words(&self, id: RequestId) -> (String, String) {
        match self {
            Self::Started => (
                format!("{id} was started here and has not ended"),
                "wait for its end: only what nobody can know is a person's to say".to_owned(),
            ),
            Self::Waiting(path) => (
                format!("{id} is in the inbox and nobody has started it"),
                format!("it starts in its turn; remove `{path}` where it is not wanted"),
            ),
            Self::Unknown => (
                format!("no request has the id {id}"),
                "`dispatch list` shows those there are; the spec takes the whole id".to_owned(),
            ),
            Self::Known(outcome) => (
                format!("{id} ended {outcome}, which is known"),
                "only what ended `indeterminate` can be resolved; to run it again, merge a new request".to_owned(),
            ),
            Self::Settled(said) => (
                format!("{id} is settled: {said}"),
                "the first word counts; what is still to be done is a new request".to_owned(),
            ),
        }
    }
}

impl Resolution {
    /// The resolution that a record tells of; `None` for every other record, and where it only let a request start.
    pub fn of(record: &Record) -> Option<Self> {
        if record.kind.as_deref() != Some(RESOLVE) || record.outcome != Outcome::Succeeded {
            return None;
        }
        let effect = Effect::deserialize(record.result.as_ref()?).ok()?;
        let by = record.requested_by.clone();
        (effect.done != Done::Released).then(|| Self {
            id: effect.asked.id,
            word: effect.asked.word,
            note: effect.asked.note,
            by: record.id,
            who: by.as_ref().map(|by| by.author.clone()).unwrap_or_default(),
            commit: by.map(|by| by.commit).unwrap_or_default(),
            rerun: effect.rerun,
        })
    }

    /// In one line.
    pub fn words(&self) -> String {
        let how = match (self.word, self.rerun) {
            (Word::Rerun, Some(id)) => format!("resolved: run again as {id}"),
            (word, _) => format!("resolved as {}", word.as_str()),
        };
        let who = if self.who.is_empty() { String::new() } else { format!(" by {}", self.who) };
        let commit = self.commit.get(..10).map(|commit| format!(" (commit {commit})")).unwrap_or_default();
        let note = self.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        format!("{how}{who}{commit}{note}")
    }
}

/// The kinds that are carried out, each with its schema.
///
/// # Panics
/// Never: they are compiled in, and a test compiles them.
pub fn schemas() -> impl Iterator<Item = (&'static str, serde_json::Value)> {
    SCHEMAS.iter().map(|(kind, _, text)| (*kind, serde_json::from_str(text).expect("it is compiled in")))
}

/// Reads what a request of a reserved kind asks.
///
/// # Errors
/// The class of the refusal, and every fault.
///
/// # Panics
/// Where it is given a kind that it has no schema for; the envelope's parser lets none through.
pub fn read(envelope: &Envelope) -> Result<Command, (&'static str, Vec<Diagnostic>)> {
    let (document, kind) = (&envelope.document, envelope.request.kind.as_str());
    let said = MEANINGLESS.iter().filter(|key| document.value().get(key).is_some());
    let faults: Vec<Diagnostic> = said
        .map(|key| {
            let message = format!("`{key}` says nothing to the dispatcher itself, which handles the kind `{kind}`");
            document.fault_at_key("E0210", &format!("/{key}"), message).help("leave it out")
        })
        .collect();
    if !faults.is_empty() {
        return Err(("invalid_request", faults));
    }
    let (_, file, text) =
        SCHEMAS.iter().find(|known| known.0 == kind).expect("the envelope knows which kinds there are");
    let schema = Schema::compile(file, text.as_bytes()).expect("it is compiled in, and a test compiles it");
    let faults = schema.validate(document, "/spec");
    if !faults.is_empty() {
        return Err(("invalid_spec", faults));
    }
    let spec = &envelope.request.spec;
    let command = match kind {
        CANCEL => spec_as(spec).map(Command::Cancel),
        PAUSE => spec_as(spec).map(Command::Pause),
        RESUME => spec_as(spec).map(Command::Resume),
        _ => spec_as(spec).map(Command::Resolve),
    };
    command.map_err(|error| {
        ("invalid_spec", vec![document.fault_at_value("E0400", "/spec", format!("`spec` cannot be read: {error}"))])
    })
}

fn spec_as<T: DeserializeOwned>(spec: &serde_json::Value) -> Result<T, serde_json::Error> {
    T::deserialize(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use serde_json::json;

    const ID: &str = "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31";

    fn ask(text: &str) -> Result<Command, (&'static str, Vec<&'static str>)> {
        let envelope = request::parse("requests/a.yml", text.as_bytes()).unwrap();
        read(&envelope).map_err(|(class, faults)| (class, faults.iter().map(|fault| fault.code).collect()))
    }

    #[test]
    fn a_resolution_is_an_id_a_word_and_perhaps_a_note() {
        for (word, expected) in [("succeeded", Word::Succeeded), ("failed", Word::Failed), ("rerun", Word::Rerun)] {
            let text = format!("kind: dispatch.resolve\nspec: {{id: {ID}, as: {word}}}\n");
            let Ok(Command::Resolve(found)) = ask(&text) else { panic!("{text}") };
            assert_eq!((found.id.to_string().as_str(), found.word, found.note), (ID, expected, None));
            assert_eq!(expected.as_str(), word);
        }
        let text = format!("kind: dispatch.resolve\nspec: {{id: {ID}, as: failed, note: 'I looked: nothing'}}\n");
        let Ok(Command::Resolve(found)) = ask(&text) else { panic!("{text}") };
        assert_eq!(found.note.as_deref(), Some("I looked: nothing"));
    }

    #[test]
    fn what_it_cannot_mean_is_refused() {
        for (spec, rest, class, code) in [
            ("{as: failed}", "", "invalid_spec", "E0402"),
            ("{id: 0198c0de, as: failed}", "", "invalid_spec", "E0406"),
            (&format!("{{id: {ID}, as: cancelled}}"), "", "invalid_spec", "E0404"),
            (&format!("{{id: {ID}, as: failed, outcome: x}}"), "", "invalid_spec", "E0403"),
            (&format!("{{id: {ID}, as: failed, note: ''}}"), "", "invalid_spec", "E0408"),
            (&format!("{{id: {ID}, as: failed}}"), "timeout: 5m\nresource: a\n", "invalid_request", "E0210"),
        ] {
            let (found, codes) = ask(&format!("kind: dispatch.resolve\nspec: {spec}\n{rest}")).unwrap_err();
            assert_eq!((found, codes[0]), (class, code), "{spec}");
        }
    }

    #[test]
    fn what_steers_is_an_id_or_a_scope_with_a_reason_and_an_end() {
        let kind = |name: &str| Scope::Kind(name.to_owned());
        let until: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let pause = |scope, reason: Option<&str>, until| {
            Command::Pause(Pause { scope, reason: reason.map(str::to_owned), until })
        };
        for (text, expected) in [
            (
                format!("kind: dispatch.cancel\nspec: {{id: {ID}, reason: not wanted}}\n"),
                Command::Cancel(Cancel { id: ID.parse().unwrap(), reason: Some("not wanted".to_owned()) }),
            ),
            ("kind: dispatch.pause\n".to_owned(), pause(Scope::All, None, None)),
            (
                "kind: dispatch.pause\nspec: {kind: deploy, reason: why, until: 2026-11-21T09:00:00+01:00}\n"
                    .to_owned(),
                pause(kind("deploy"), Some("why"), Some(until)),
            ),
            (
                "kind: dispatch.pause\nspec: {resource: host/a}\n".to_owned(),
                pause(Scope::Resource("host/a".to_owned()), None, None),
            ),
            (
                "kind: dispatch.resume\nspec: {kind: deploy}\n".to_owned(),
                Command::Resume(Resume { scope: kind("deploy"), reason: None }),
            ),
        ] {
            let found = ask(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
            assert_eq!(found, expected, "{text}");
            assert!(text.starts_with(&format!("kind: {}\n", found.kind())));
        }
        for (kind, spec) in [
            ("cancel", "{}"),
            ("cancel", "{id: 0198c0de}"),
            ("cancel", &format!("{{id: {ID}, reason: ''}}")),
            ("pause", "{kind: deploy, resource: a}"),
            ("pause", "{kind: dispatch.cancel}"),
            ("pause", "{until: tomorrow}"),
            ("pause", "{for: 2h}"),
            ("resume", "{until: 2026-11-21T08:00:00Z}"),
        ] {
            let found = ask(&format!("kind: dispatch.{kind}\nspec: {spec}\n")).map_err(|(class, _)| class);
            assert_eq!(found, Err("invalid_spec"), "{kind} {spec}");
        }
    }

    #[test]
    fn what_was_told_to_end_is_cancelled_where_anything_would_follow() {
        for (came_to, goes_on, outcome) in [
            (Outcome::Cancelled, false, Outcome::Cancelled),
            (Outcome::Succeeded, false, Outcome::Succeeded),
            (Outcome::Succeeded, true, Outcome::Cancelled),
            (Outcome::Failed, false, Outcome::Failed),
            (Outcome::Failed, true, Outcome::Cancelled),
            (Outcome::TimedOut, false, Outcome::TimedOut),
            (Outcome::Killed, true, Outcome::Cancelled),
        ] {
            assert_eq!(outcome_of_cancelled(came_to, goes_on), outcome, "{came_to} {goes_on}");
        }
    }

    #[test]
    fn a_record_tells_its_resolution_back() {
        let asked = Resolve { id: ID.parse().unwrap(), word: Word::Failed, note: Some("looked".to_owned()) };
        let effect = |done| serde_json::to_value(Effect { asked: asked.clone(), done, rerun: None }).unwrap();
        assert_eq!(effect(Done::Settled), json!({"id": ID, "as": "failed", "note": "looked", "done": "settled"}));
        let mut record = Record::new(Outcome::Succeeded, "0198c0de-0000-7000-8000-000000000002".parse().unwrap(), "r");
        record.kind = Some(RESOLVE.to_owned());
        record.result = Some(effect(Done::Settled));
        let found = Resolution::of(&record).unwrap();
        assert_eq!((found.id, found.word, found.by), (asked.id, Word::Failed, record.id));
        assert_eq!(found.words(), "resolved as failed: looked");
        record.result = Some(effect(Done::Released));
        assert_eq!(Resolution::of(&record), None, "it only may start, and can come to any end");
        record.result = Some(effect(Done::Settled));
        record.outcome = Outcome::Rejected;
        assert_eq!(Resolution::of(&record), None);
        record.outcome = Outcome::Succeeded;
        record.kind = Some("deploy".to_owned());
        assert_eq!(Resolution::of(&record), None, "a handler's result settles nothing");
    }
}
