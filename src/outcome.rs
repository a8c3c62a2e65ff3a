//! How a request ended, and what is known of each attempt at it.
//!
//! Owns the words of `status.yml` for it and the numbers that stand for them. Never decides which
//! outcome applies.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a request ended. Terminal: an outcome never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The handler exited 0 and said nothing against it.
    Succeeded,
    /// The handler said no, or could not be started.
    Failed,
    /// The timeout passed.
    TimedOut,
    /// A signal or the dispatcher's own end ended it.
    Killed,
    /// Refused before anything ran.
    Rejected,
    /// Its time to start passed.
    Expired,
    /// Withdrawn on request.
    Cancelled,
    /// Started, and its end is not known; never guessed.
    Indeterminate,
}

/// The three words that the original contract knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran and succeeded.
    Success,
    /// It ran and did not.
    Failure,
    /// It did not run, or its end is not known.
    Error,
}

/// Exit code that stands for a refusal (`EX_USAGE`).
pub const EXIT_REJECTED: i32 = 64;
/// Exit code that stands for a timeout, as `timeout(1)` gives it.
pub const EXIT_TIMED_OUT: i32 = 124;
/// Exit code by which a handler asks for another try (`EX_TEMPFAIL`).
pub const EXIT_TRY_AGAIN: i32 = 75;

impl Outcome {
    /// Every outcome, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Killed,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Indeterminate,
    ];

    /// The word in records, commits and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Killed => "killed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// Which of the original three words it is.
    pub fn status(self) -> Status {
        match self {
            Self::Succeeded => Status::Success,
            Self::Failed | Self::TimedOut | Self::Killed => Status::Failure,
            Self::Rejected | Self::Expired | Self::Cancelled | Self::Indeterminate => Status::Error,
        }
    }

    /// `exit_code` of the record: the outcome's own number where it has one, else what the handler gave (`None` where
    /// nothing ran to its end).
    pub fn exit_code(self, handler: Option<i32>) -> Option<i32> {
        match self {
            Self::Rejected => Some(EXIT_REJECTED),
            Self::TimedOut => Some(EXIT_TIMED_OUT),
            Self::Succeeded | Self::Failed | Self::Killed => handler,
            Self::Expired | Self::Cancelled | Self::Indeterminate => None,
        }
    }

    /// `rc=` of the commit message: 0 if and only if it succeeded, so that scripts can trust it. What has no number
    /// of its own: 64 where it was refused or expired, 128 + the signal where one ended it, else 1.
    pub fn rc(self, handler: Option<i32>, signal: Option<i32>) -> i32 {
        let ended = || handler.or(signal.map(|signal| signal.saturating_add(128)));
        match self {
            Self::Succeeded => 0,
            Self::Rejected | Self::Expired => EXIT_REJECTED,
            Self::TimedOut => EXIT_TIMED_OUT,
            Self::Failed | Self::Killed => ended().filter(|&code| code != 0).unwrap_or(1),
            Self::Cancelled | Self::Indeterminate => 1,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no outcome.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown outcome `{0}`")]
pub struct UnknownOutcome(String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| UnknownOutcome(text.to_owned()))
    }
}

impl Status {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known of one execution of a handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When its START became durable.
    #[serde(with = "crate::clock::millis")]
    pub started_at: Timestamp,
    /// When it was over; missing where nobody saw that.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The handler's own exit code; missing where a signal ended it or nobody saw its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Class of the reason: `oom`, `timeout`, `shutdown`, `crash`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of one action of the host file, after the handler had succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRun {
    /// Its name in the host file.
    pub name: String,
    /// When its last start became durable; missing where it was not run.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How long it took; missing where nobody saw its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How often it was started, where that was more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<u32>,
    /// Its exit code, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What was wrong: `exit 1`, `timeout`, `signal SIGKILL`, `not_started: ...`, `not_run`; missing where it exited 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ActionRun {
    /// Why one has no end: it was started, and whoever watched it is gone.
    pub const UNSEEN: &'static str = "started and not seen to end";

    /// Why nobody can know of one: the journal is an older copy, and the newer one may have started it.
    pub const IN_DOUBT: &'static str = "may have been started: the state folder was restored";

    /// One that was not reached, because of another before it.
    pub fn not_run(name: &str) -> Self {
        Self { name: name.to_owned(), reason: Some("not_run".to_owned()), ..Self::default() }
    }

    /// Whether it was seen to exit 0.
    pub fn succeeded(&self) -> bool {
        self.exit_code == Some(0) && self.reason.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_word_and_status() {
        let expected = [
            ("succeeded", "success"),
            ("failed", "failure"),
            ("timed_out", "failure"),
            ("killed", "failure"),
            ("rejected", "error"),
            ("expired", "error"),
            ("cancelled", "error"),
            ("indeterminate", "error"),
        ];
        assert_eq!(Outcome::ALL.len(), expected.len());
        for (outcome, (word, status)) in Outcome::ALL.into_iter().zip(expected) {
            assert_eq!(outcome.as_str(), word);
            assert_eq!(outcome.status().as_str(), status);
            assert_eq!(word.parse(), Ok(outcome));
            assert_eq!(serde_json::to_value(outcome).expect("json"), word);
            assert_eq!(serde_json::to_value(outcome.status()).expect("json"), status);
        }
        assert!("success".parse::<Outcome>().is_err());
    }

    #[test]
    fn numbers_of_outcomes() {
        use Outcome as O;
        for (outcome, handler, signal, exit_code, rc) in [
            (O::Succeeded, Some(0), None, Some(0), 0),
            (O::Failed, Some(3), None, Some(3), 3),
            (O::Failed, Some(0), None, Some(0), 1), // its status.yml said failure
            (O::Failed, None, None, None, 1),       // could not be started
            (O::Failed, None, Some(9), None, 137),  // out of memory
            (O::Killed, None, Some(15), None, 143),
            (O::TimedOut, None, Some(9), Some(124), 124),
            (O::TimedOut, Some(0), None, Some(124), 124),
            (O::Rejected, None, None, Some(64), 64),
            (O::Expired, None, None, None, 64),
            (O::Cancelled, None, None, None, 1),
            (O::Indeterminate, None, None, None, 1),
        ] {
            assert_eq!(outcome.exit_code(handler), exit_code, "{outcome}");
            assert_eq!(outcome.rc(handler, signal), rc, "{outcome}");
        }
    }

    #[test]
    fn rc_is_zero_only_for_success() {
        for outcome in Outcome::ALL {
            for handler in [None, Some(0), Some(7), Some(i32::MIN)] {
                for signal in [None, Some(9), Some(i32::MAX)] {
                    let zero = outcome.rc(handler, signal) == 0;
                    assert_eq!(zero, outcome == Outcome::Succeeded, "{outcome}");
                }
            }
        }
    }

    #[test]
    fn an_attempt_leaves_out_what_is_not_known() {
        let attempt = Attempt {
            number: 1,
            started_at: "2026-11-21T08:00:00.1234Z".parse().expect("time"),
            finished_at: None,
            exit_code: None,
            signal: None,
            reason: Some("crash".to_owned()),
        };
        let text = serde_json::to_string(&attempt).expect("json");
        assert_eq!(text, r#"{"number":1,"started_at":"2026-11-21T08:00:00.123Z","reason":"crash"}"#);
        let back: Attempt = serde_json::from_str(&text).expect("read back");
        assert_eq!(back.reason, attempt.reason);
    }
}
