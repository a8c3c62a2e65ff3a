//! Faults that are built in on purpose, to see that the tests would find them: with the cargo feature `planted` only.
//! A normal build has none of it: every question is answered `false` when it is compiled.
//!
//! Owns the names of the faults and what the environment asks for. Each fault stands at its place in the code, behind
//! one question to this module.

/// A fault that can be asked for by its name in `DISPATCH_PLANT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A file that stands where a record goes is overwritten.
    AnyPlace,
    /// Only the last attempt stands in the record.
    AttemptLeftOut,
    /// Main is not read again once a claim was won.
    ClaimUnread,
    /// What lies in the inbox by then is archived, not what was admitted.
    EditArchived,
    /// The tree of a record commit is made from the index of the user's clone.
    FromTheIndex,
    /// What nobody saw end is taken for a success.
    Guessed,
    /// The digest is that of another text than the log's.
    HalfDigest,
    /// The last request on main starts first.
    LastFirst,
    /// START is journalled after the handler was started.
    LateStart,
    /// What a killed git left in our own repository stays.
    LitterStays,
    /// Requests on one resource run at the same time.
    NoLocks,
    /// The branch is forced to our commit, wherever it stands.
    PlainPush,
    /// Archive and record come in two commits.
    RecordApart,
    /// A record whose push was not answered is published again unseen.
    RecordedTwice,
    /// The request stays in the inbox.
    RequestStays,
    /// A sync that failed is tried again, and its success believed.
    RetriedSync,
    /// A request whose record could not be pushed is taken for one that was never started.
    RunAgain,
    /// After a crash an at-most-once request is started again.
    StartedAgain,
    /// A claim counts as won, whoever has it.
    StolenClaim,
    /// Records of another dispatcher on main are passed over.
    StrangerIgnored,
    /// The branch moves before its objects are on the disk.
    UnsyncedObjects,
    /// EXIT is journalled before the record is on the disk.
    UnsyncedSpool,
    /// Steps of the journal are not brought to the disk.
    UnsyncedSteps,
}

impl Bug {
    /// Every fault, by its name.
    pub const ALL: [Self; 23] = [
        Self::AnyPlace,
        Self::AttemptLeftOut,
        Self::ClaimUnread,
        Self::EditArchived,
        Self::FromTheIndex,
        Self::Guessed,
        Self::HalfDigest,
        Self::LastFirst,
        Self::LateStart,
        Self::LitterStays,
        Self::NoLocks,
        Self::PlainPush,
        Self::RecordApart,
        Self::RecordedTwice,
        Self::RequestStays,
        Self::RetriedSync,
        Self::RunAgain,
        Self::StartedAgain,
        Self::StolenClaim,
        Self::StrangerIgnored,
        Self::UnsyncedObjects,
        Self::UnsyncedSpool,
        Self::UnsyncedSteps,
    ];

    /// Its name in `DISPATCH_PLANT`, in the tests and in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnyPlace => "any-place",
            Self::AttemptLeftOut => "attempt-left-out",
            Self::ClaimUnread => "claim-unread",
            Self::EditArchived => "edit-archived",
            Self::FromTheIndex => "from-the-index",
            Self::Guessed => "guessed",
            Self::HalfDigest => "half-digest",
            Self::LastFirst => "last-first",
            Self::LateStart => "late-start",
            Self::LitterStays => "litter-stays",
            Self::NoLocks => "no-locks",
            Self::PlainPush => "plain-push",
            Self::RecordApart => "record-apart",
            Self::RecordedTwice => "recorded-twice",
            Self::RequestStays => "request-stays",
            Self::RetriedSync => "retried-sync",
            Self::RunAgain => "run-again",
            Self::StartedAgain => "started-again",
            Self::StolenClaim => "stolen-claim",
            Self::StrangerIgnored => "stranger-ignored",
            Self::UnsyncedObjects => "unsynced-objects",
            Self::UnsyncedSpool => "unsynced-spool",
            Self::UnsyncedSteps => "unsynced-steps",
        }
    }
}

/// Whether this process was asked to have the fault.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    static ASKED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("DISPATCH_PLANT").unwrap_or_default()) == bug.name()
}

/// Whether this process was asked to have the fault: never.
#[cfg(not(feature = "planted"))]
pub const fn is(_: Bug) -> bool {
    false
}

/// Ends the process at once, as a power cut would, at the step of this number that it passes: `DISPATCH_CRASH=journal:7` at
/// the seventh step called `journal`. Where `DISPATCH_CRASHED` names a file, it is there afterwards.
#[cfg(feature = "planted")]
pub fn crash_point(step: &str) {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);
    let Ok(wanted) = std::env::var("DISPATCH_CRASH") else { return };
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let number = passed.get_or_insert_default().entry(step.to_owned()).or_default();
    *number += 1;
    if wanted == format!("{step}:{number}") {
        if let Some(mark) = std::env::var_os("DISPATCH_CRASHED") {
            let _ = std::fs::write(mark, &wanted);
        }
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(feature = "planted"))]
pub const fn crash_point(_: &str) {}
