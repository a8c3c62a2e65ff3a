//! What a host says of itself to whoever reads the repository: `status.json` in the commit at `refs/dispatch/hosts/<node>`.
//!
//! Owns the format, what is said of a request in it, and its bounds: it is read by everybody who may read the repository, so
//! that words are one short line each, without anything that stood in a URL for a password. Pure: who writes it and when is
//! `dispatch/herald.rs`, and `repo/hosts.rs` moves it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::RequestId;
use crate::record::visible;

/// Its file in the commit.
pub const FILE: &str = "status.json";
/// Version of the format.
pub const VERSION: u32 = 1;
/// One that watches says something every hour; one that was silent for longer than this does not live, or cannot reach the
/// remote.
pub const SILENT_S: i64 = 2 * 3600;

/// Requests of each list that are named; `counts` has all of them.
const NAMED_MAX: usize = 100;
const WORDS_CHARS_MAX: usize = 300;
const FAULTS_MAX: usize = 10;

/// What a host says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// Version of this document.
    pub v: u32,
    /// The name of the node.
    pub node: String,
    /// Version of its dispatcher.
    pub dispatcher: String,
    /// When this was written, RFC 3339 in UTC.
    pub written_at: String,
    /// When main was read last.
    pub last_pass: Option<String>,
    /// It looks again and again; where not, somebody has to call `dispatch run`.
    pub watching: bool,
    /// Pause between two looks, where it watches.
    pub interval_ms: Option<u64>,
    /// It was told to stop.
    #[serde(default)]
    pub stopping: bool,
    /// Why nothing is started, where somebody has paused it.
    #[serde(default)]
    pub paused: Option<String>,
    /// Tip of main as it was read last.
    #[serde(default)]
    pub tip: Option<String>,
    /// Why main cannot be read or written.
    #[serde(default)]
    pub obstacle: Option<String>,
    /// Why nothing new is started, where that is for records that cannot be published.
    #[serde(default)]
    pub blocked: Option<String>,
    /// What a person has to look at before `dispatch adopt`.
    #[serde(default)]
    pub adopt: Option<String>,
    /// Faults of the repository.
    #[serde(default)]
    pub faults: Vec<String>,
    /// How many there are of each.
    pub counts: Counts,
    /// What runs.
    #[serde(default)]
    pub running: Vec<Named>,
    /// What is held, and why.
    #[serde(default)]
    pub held: Vec<Named>,
    /// What waits its turn, in order.
    #[serde(default)]
    pub waiting: Vec<Named>,
}

/// How many requests are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// They run.
    pub running: usize,
    /// They are held.
    pub held: usize,
    /// They wait their turn.
    pub waiting: usize,
    /// They have ended, and their records are not on main.
    pub unpublished: usize,
}

/// A request in one of the lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its id.
    pub id: RequestId,
    /// Its path.
    pub path: String,
    /// A stable word for the reason, such as `layer`, where it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The request that has the resource which this one wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<RequestId>,
    /// That resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// What a host says of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There<'a> {
    /// It runs there.
    Running,
    /// It is held there.
    Held(&'a Named),
    /// It waits there, behind so many.
    Waiting(&'a Named, usize),
}

impl Named {
    /// A request of which nothing more is to be said.
    pub fn new(id: RequestId, path: &str) -> Self {
        Self { id, path: path.to_owned(), by: None, words: None, behind: None, resource: None }
    }
}

impl HostStatus {
    /// Reads one, whatever version wrote it; `None` where it is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let status: Self = serde_json::from_slice(bytes).ok()?;
        (status.v >= 1 && !status.node.is_empty()).then_some(status)
    }

    /// As it is written.
    ///
    /// # Panics
    /// Never: it is plain data.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    /// Brings everything within its bounds.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.faults.truncate(FAULTS_MAX);
        let shortened = |text: &mut String| *text = said(text);
        self.faults.iter_mut().for_each(shortened);
        [&mut self.paused, &mut self.obstacle, &mut self.blocked, &mut self.adopt]
            .into_iter()
            .flatten()
            .for_each(shortened);
        for list in [&mut self.running, &mut self.held, &mut self.waiting] {
            list.truncate(NAMED_MAX);
            for named in list.iter_mut() {
                [&mut named.words, &mut named.resource].into_iter().flatten().for_each(shortened);
            }
        }
        self
    }

    /// Whether it says the same, whenever it was written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let timeless = |status: &Self| Self { written_at: String::new(), last_pass: None, ..status.clone() };
        timeless(self) == timeless(other)
    }

    /// What it says of a request.
    pub fn of(&self, id: RequestId) -> Option<There<'_>> {
        let in_list = |list: &[Named]| list.iter().position(|named| named.id == id);
        if in_list(&self.running).is_some() {
            return Some(There::Running);
        }
        if let Some(at) = in_list(&self.held) {
            return Some(There::Held(&self.held[at]));
        }
        in_list(&self.waiting).map(|at| {
            let one = &self.waiting[at];
            let same = self.waiting[..at].iter().filter(|other| other.behind == one.behind).count();
            There::Waiting(one, same + usize::from(one.behind.is_some()))
        })
    }

    /// Seconds since it was written; `None` where its time is none, or is still to come.
    pub fn age(&self, now: Timestamp) -> Option<u64> {
        let written: Timestamp = self.written_at.parse().ok()?;
        u64::try_from(now.duration_since(written).as_secs()).ok()
    }

    /// It says that it watches, and has said nothing for so long that it cannot.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let silent = i64::try_from(self.age(now).unwrap_or(0)).unwrap_or(i64::MAX);
        self.watching && silent > SILENT_S.max(self.interval_ms.map_or(0, |ms| i64::try_from(ms / 500).unwrap_or(0)))
    }
}

/// Words as others may read them: one line, not long, and without what stands in a URL before its host.
fn said(text: &str) -> String {
    let line = visible::line(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim());
    let mut shown = String::with_capacity(line.len());
    let mut rest = &*line;
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = behind.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(behind.len());
        let from = behind[..end].rfind('@').map_or(0, |at| at + 1);
        shown.push_str(&behind[from..end]);
        rest = &behind[end..];
    }
    shown.push_str(rest);
    if shown.chars().count() > WORDS_CHARS_MAX {
        shown = shown.chars().take(WORDS_CHARS_MAX - 1).chain(['…']).collect();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RequestId {
        RequestId::derived("c", "p", &n.to_string())
    }
    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn words_are_one_short_line_without_credentials() {
        assert_eq!(
            said("cannot reach https://me:secret@host:8/x and ssh://git@h/y\nmore"),
            "cannot reach https://host:8/x and ssh://h/y"
        );
        assert_eq!(said("a://b"), "a://b");
        assert_eq!(said("odd ://"), "odd ://");
        assert_eq!(said("\n  two\x1b[2J"), "two\\u{1b}[2J".replace("\\u{1b}", "\\x1b"));
        assert_eq!(said(&"x".repeat(999)).chars().count(), WORDS_CHARS_MAX);
    }

    #[test]
    fn it_is_bounded_and_read_back() {
        let named = |n: u8, words: &str| Named { words: Some(words.repeat(99)), ..Named::new(id(n), "requests/a.yml") };
        let many = |words: &str| (0..=255).map(|n| named(n, words)).collect::<Vec<_>>();
        let status = HostStatus {
            v: VERSION,
            node: "web-1".to_owned(),
            running: many("run "),
            held: many("held "),
            waiting: many("wait "),
            faults: vec!["x".repeat(9999); 99],
            ..HostStatus::default()
        };
        let bounded = status.bounded();
        let text = bounded.text();
        assert!(text.len() < 200 << 10, "{}", text.len());
        assert_eq!(HostStatus::parse(text.as_bytes()), Some(bounded));
        assert_eq!(HostStatus::parse(b"{}"), None);
        assert_eq!(HostStatus::parse(b"\xff"), None);
        // A later version may say more.
        let later = br#"{"v": 2, "node": "a", "dispatcher": "9", "written_at": "", "last_pass": null, "watching": false, "interval_ms": null,
            "counts": {"running": 0, "held": 0, "waiting": 0, "unpublished": 0, "new": 1}, "new": []}"#;
        assert_eq!(HostStatus::parse(later).map(|status| status.node), Some("a".to_owned()));
    }

    #[test]
    fn it_tells_queued_from_held_and_the_living_from_the_dead() {
        let behind = |n, behind| Named { behind, ..Named::new(id(n), "p") };
        let status = HostStatus {
            written_at: "2026-01-01T00:00:00Z".to_owned(),
            watching: true,
            interval_ms: Some(15_000),
            running: vec![Named::new(id(1), "p")],
            held: vec![Named::new(id(2), "p")],
            waiting: vec![behind(3, Some(id(1))), behind(4, None), behind(5, Some(id(1)))],
            ..HostStatus::default()
        };
        assert_eq!(status.of(id(1)), Some(There::Running));
        assert!(matches!(status.of(id(2)), Some(There::Held(_))));
        assert!(matches!(status.of(id(4)), Some(There::Waiting(_, 0))));
        assert!(matches!(status.of(id(5)), Some(There::Waiting(_, 2))));
        assert_eq!(status.of(id(9)), None);
        assert!(!status.is_silent(at("2026-01-01T01:59:00Z")));
        assert!(status.is_silent(at("2026-01-01T02:01:00Z")));
        assert!(!status.is_silent(at("2025-01-01T00:00:00Z")), "clocks differ");
        assert!(!HostStatus { watching: false, ..status.clone() }.is_silent(at("2027-01-01T00:00:00Z")));
        let later = HostStatus { written_at: "later".to_owned(), last_pass: Some("x".to_owned()), ..status.clone() };
        assert!(later.says_the_same(&status));
        assert!(!HostStatus { stopping: true, ..later }.says_the_same(&status));
    }
}
