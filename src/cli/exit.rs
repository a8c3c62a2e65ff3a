//! Exit codes and failures: the one place where an error of any room becomes a message, a hint and a code.

use std::error::Error;
use std::process::ExitCode;

use super::home::chain;
use crate::host::HostError;
use crate::journal::JournalError;
use crate::lock::LockError;
use crate::repo::RepoError;
use crate::room;
use crate::statedir::StateDirError;

/// How a command ends. The numbers are part of the contract (docs/command-line.md), after sysexits.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; for `run`: every request handled and published, whatever its outcome.
    Done = 0,
    /// The request asked about did not succeed.
    Failed = 1,
    /// Rejected, or would be.
    Rejected = 64,
    /// A needed service or layer is missing.
    Missing = 69,
    /// A bug.
    Bug = 70,
    /// Something could not be written.
    Unwritable = 73,
    /// Not published yet; everything is kept, try again.
    NotPublished = 75,
    /// The repository or this machine is not set up for what was asked.
    Configuration = 78,
    /// Timed out.
    TimedOut = 124,
    /// Somebody pressed Ctrl-C while it waited for something; nothing else has come to an end by that.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// How it ends.
    pub exit: Exit,
    /// What went wrong, whole.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// For want of room on a disk, and nothing else: the same may go well when there is some.
    pub lacks_room: bool,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, lacks_room: false }
    }

    /// A failure with all that caused it. A full disk is one thing, wherever it is met.
    pub fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let message = chain(error);
        if room::is_lacking(error) {
            let failure = Self { lacks_room: true, ..Self::new(Exit::Unwritable, message) };
            return failure.hint("the disk is full, or a quota is used up: make room, then start it again");
        }
        Self::new(exit, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        let exit = match &error {
            error if error.is_configuration() => Exit::Configuration,
            RepoError::Git(_) | RepoError::Program { .. } => Exit::Missing,
            RepoError::File { .. } => Exit::Unwritable,
            _ => Exit::Configuration,
        };
        Self::of(exit, &error)
    }
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        match &error {
            StateDirError::Other { known, pointer, .. } => {
                let hint = format!(
                    "leave --state out, or name `{}`; where that folder is gone for good, remove `{}`",
                    known.display(),
                    pointer.display()
                );
                Self::new(Exit::Configuration, chain(&error)).hint(hint)
            }
            StateDirError::Unwritable { .. } => {
                let failure = Self::of(Exit::Unwritable, &error);
                if failure.lacks_room {
                    return failure;
                }
                failure.hint("make it writable for this user, or name another with --state")
            }
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Busy(_) => Self::new(Exit::NotPublished, chain(&error))
                .hint("it looks at main by itself; `dispatch list` shows what it does"),
            LockError::Io { .. } => Self::of(Exit::Unwritable, &error),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::Newer { .. } => Exit::Configuration,
            error if error.is_unwritable() => Exit::Unwritable,
            JournalError::Sqlite { .. } | JournalError::Copy { .. } => Exit::Unwritable,
            JournalError::Illegal { .. } | JournalError::Corrupt { .. } => Exit::Bug,
        };
        Self::of(exit, &error)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::new(Exit::Configuration, chain(&error))
    }
}
