//! What the pages show, as plain data: everything is read before the first word of a page is written.

use jiff::Timestamp;

use super::output::Output;
use crate::clock::millis_between;
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::record::log::LogLine;
use crate::view::Line;

/// Why a request waits or ended as it did, and what to do: the words of `why`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Why.
    pub because: String,
    /// What was found, in several lines.
    pub details: Vec<String>,
    /// What to do.
    pub next: String,
}

/// What every page says of the whole.
#[derive(Clone, Debug)]
pub struct Site {
    /// The branch that is obeyed.
    pub branch: String,
    /// Where it is fetched from.
    pub origin: String,
    /// Its tip, as the clone knows it.
    pub tip: Option<String>,
    /// When the report was made.
    pub generated: Timestamp,
    /// How `dispatch` is called where the report was made.
    pub program: String,
    /// Who works there, in words.
    pub dispatcher: String,
    /// What a person should know before anything else.
    pub notices: Vec<Notice>,
    /// The hosts that are known.
    pub hosts: Vec<HostRow>,
    /// What waits or runs, in the order of main.
    pub pending: Vec<Pending>,
    /// What has ended, the youngest first.
    pub ended: Vec<Line>,
    /// What this report leaves out, in words.
    pub left_out: Option<String>,
}

/// Something amiss, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it keeps work from being done.
    pub stops: bool,
    /// What, in a line or several.
    pub words: String,
}

/// A host, as its last pass told.
#[derive(Clone, Debug)]
pub struct HostRow {
    /// Its node name.
    pub node: String,
    /// When it told so.
    pub at: String,
    /// Whether it is at work, stopping, paused; in a word or two.
    pub state: String,
    /// How many requests run there.
    pub running: usize,
    /// How many wait there.
    pub queued: usize,
    /// How many are held there.
    pub held: usize,
    /// How many records are not on main yet.
    pub unpublished: usize,
}

/// A request that has not ended, or whose record is not on main.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where it stands.
    pub line: Line,
    /// Why it waits.
    pub advice: Advice,
}

/// All that a page tells of one request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it stands.
    pub line: Line,
    /// Why, and what to do.
    pub advice: Advice,
    /// Its record, once it has ended.
    pub record: Option<Record>,
    /// Path and text of the request as its author wrote it.
    pub asked: Option<(String, String)>,
    /// The request that this one repeats, with its text.
    pub original: Option<Original>,
    /// Requests that repeat this one.
    pub reruns: Vec<Reference>,
    /// The events of `log.jsonl` but for the output.
    pub events: Vec<LogLine>,
    /// What was printed.
    pub output: Output,
    /// What the handler left: path and bytes.
    pub left: Vec<(String, u64)>,
    /// The refusal.
    pub error_log: Option<String>,
    /// The limits of its kind, by the router table that was admitted.
    pub limits: Vec<(&'static str, String)>,
    /// The commit that brought the record, and when.
    pub published: Option<(String, Timestamp)>,
}

/// The request that another repeats.
#[derive(Clone, Debug)]
pub struct Original {
    /// Which.
    pub reference: Reference,
    /// Its text, where it is known.
    pub text: Option<String>,
}

/// Another request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub id: RequestId,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// Whether this report has a page of it.
    pub has_page: bool,
}

/// How a state is shown: one sign, one tone, one word for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The sign in the sprite.
    pub sign: &'static str,
    /// The class that sets its colours.
    pub tone: &'static str,
    /// The word.
    pub word: &'static str,
}

/// Every state that a line may have, with its look. A state that is not here is shown by its own word.
pub const LOOKS: [(&str, Look); 14] = [
    ("succeeded", Look { sign: "check", tone: "ok", word: "succeeded" }),
    ("failed", Look { sign: "cross", tone: "bad", word: "failed" }),
    ("timed_out", Look { sign: "clock", tone: "bad", word: "timed out" }),
    ("killed", Look { sign: "stop", tone: "bad", word: "killed" }),
    ("rejected", Look { sign: "no", tone: "bad", word: "rejected" }),
    ("expired", Look { sign: "sand", tone: "warn", word: "expired" }),
    ("cancelled", Look { sign: "minus", tone: "idle", word: "cancelled" }),
    ("indeterminate", Look { sign: "ask", tone: "warn", word: "indeterminate" }),
    ("pending", Look { sign: "dots", tone: "idle", word: "pending" }),
    ("held", Look { sign: "pause", tone: "warn", word: "held" }),
    ("running", Look { sign: "play", tone: "run", word: "running" }),
    ("retrying", Look { sign: "again", tone: "run", word: "retrying" }),
    ("publishing", Look { sign: "up", tone: "run", word: "publishing" }),
    ("interrupted", Look { sign: "ask", tone: "warn", word: "interrupted" }),
];

/// The look of a state.
pub fn look(state: &str) -> Look {
    let known = LOOKS.iter().find(|(name, _)| *name == state).map(|(_, look)| *look);
    known.unwrap_or(Look { sign: "dots", tone: "idle", word: "in an unknown state" })
}

/// The three groups in which charts count outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// It did what it should.
    Succeeded,
    /// A handler ran and did not succeed.
    Failed,
    /// Nothing ran to an end, or nobody knows.
    Other,
}

impl Group {
    /// The group of an ended line.
    pub fn of(line: &Line) -> Self {
        match line.state.parse::<Outcome>() {
            _ if line.has_succeeded() => Self::Succeeded,
            Ok(Outcome::Failed | Outcome::TimedOut | Outcome::Killed) => Self::Failed,
            _ => Self::Other,
        }
    }
}

/// When a line ended.
pub fn ended_at(line: &Line) -> Option<Timestamp> {
    line.finished_at.as_ref()?.parse().ok()
}

/// When it came onto main.
pub fn queued_at(line: &Line) -> Option<Timestamp> {
    line.queued_at.as_ref()?.parse().ok()
}

/// How long an ended request waited for its first start, in milliseconds, where it started.
pub fn waited_ms(line: &Line) -> Option<u64> {
    let whole = millis_between(queued_at(line)?, ended_at(line)?);
    Some(whole.saturating_sub(line.duration_ms?))
}
