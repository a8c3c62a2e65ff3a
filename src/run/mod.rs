//! Running one attempt of a job: what goes in, what comes out, and the seam for other executors.
//!
//! Owns the handler contract (docs/handler-contract.md): arguments, standard input, environment, folders, and
//! how an end is judged. Never decides whether something may run, never writes the journal.

pub mod action;
pub mod artifacts;
mod beneath;
mod kept;
mod local;
pub mod output;
mod proxy;
pub mod sandbox;
mod scratch;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

pub use action::{ActionWork, Actions};
pub use local::{Local, PATH, cgroup_prefix as local_cgroup_prefix};
pub use scratch::{closed_above, home, is_anothers, sweep_secrets};
pub use stage::sweep_stages;

use crate::id::RequestId;
use crate::job::Job;
use crate::lock::ResourceLock;
use crate::outcome::Outcome;
use crate::record::from_handler::HandlerStatus;
use crate::record::report::Report;
use crate::repo::Snapshot;
use crate::room;
use crate::spool::SpoolError;

/// One attempt to make.
#[derive(Debug)]
pub struct Work {
    /// The request.
    pub id: RequestId,
    /// Attempt number, from 1.
    pub attempt: u32,
    /// What to run and within which limits.
    pub job: Arc<Job>,
    /// The command up to the two arguments of the contract.
    pub command: Vec<String>,
    /// The request's path from the repository root, with a name that is safe.
    pub request_path: String,
    /// The request's bytes.
    pub request: Arc<[u8]>,
    /// The inbox folder.
    pub inbox: String,
    /// The output folder.
    pub output: String,
    /// The archive folder.
    pub archive: String,
    /// Where the record will stand below the output folder.
    pub place: String,
    /// The tree that the handler sees.
    pub snapshot: Arc<Snapshot>,
    /// Secrets by name.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// The user to run as; none means the executor's choice.
    pub user: Option<sandbox::User>,
    /// Held until the last process of the attempt is gone.
    pub locks: Vec<ResourceLock>,
    /// Ends it before its time.
    pub cancel: sandbox::Cancel,
    /// Remove the scratch folder of a success.
    pub cleanup: bool,
    /// Waited for before anything of the handler is started; none: it may start at once.
    pub leave: Option<Leave>,
    /// A folder that stands in for the host's `/` where paths of the host are granted; none in a real run.
    pub stand_in: Option<PathBuf>,
}

impl Work {
    /// Where a granted path of the host is.
    fn on_host(&self, granted: &Path) -> PathBuf {
        let below = || granted.strip_prefix("/").unwrap_or(granted);
        self.stand_in.as_ref().map_or_else(|| granted.to_owned(), |root| root.join(below()))
    }
}

/// Whether a start may go ahead, as whoever sent the work says once START is in the journal. What has no effect of its own
/// is made ready meanwhile.
#[derive(Debug)]
pub struct Leave(Receiver<()>);

impl Leave {
    /// With what gives it. Dropping that instead calls the start off.
    pub fn new() -> (Sender<()>, Self) {
        let (give, leave) = channel();
        (give, Self(leave))
    }

    fn is_given(&self) -> bool {
        self.0.recv().is_ok()
    }
}

/// Why an attempt has no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A layer of the sandbox is missing.
    #[error(transparent)]
    Unavailable(#[from] sandbox::Unavailable),
    /// The sandbox broke before the handler was started.
    #[error(transparent)]
    Sandbox(#[from] sandbox::RunError),
    /// A scratch folder could not be prepared.
    #[error("preparing `{path}`: {source}")]
    Prepare {
        /// Which folder or file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It ran, and what it left could not be taken.
    #[error("collecting from `{path}`: {source}")]
    Collect {
        /// Which folder or file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The spool could not be written.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// START could not be written down, so that nothing was started.
    #[error("the start was called off before it was made")]
    CalledOff,
    /// A secret that cannot be masked must not be handed out.
    #[error("secrets: {0}")]
    Secrets(String),
}

impl RunError {
    /// Whether it is the machine that lacks something, now or for good, and no fault of this job.
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::Sandbox(sandbox::RunError::Unavailable(_) | sandbox::RunError::Lost { maybe_started: false, .. }) => {
                true
            }
            Self::Sandbox(sandbox::RunError::Io { .. }) | Self::Prepare { .. } | Self::Spool(SpoolError::Io { .. }) => {
                room::lacks_means(self)
            }
            _ => false,
        }
    }

    /// Whether the handler may have been started all the same; false proves that nothing ran.
    pub fn may_have_started(&self) -> bool {
        match self {
            Self::Sandbox(sandbox::RunError::Lost { maybe_started, .. }) => *maybe_started,
            Self::Sandbox(sandbox::RunError::Stuck { .. }) | Self::Collect { .. } => true,
            _ => false,
        }
    }
}

/// Makes attempts. Another executor (a container, Slurm, Kubernetes) is another implementation.
pub trait Executor: Send {
    /// Makes one attempt and returns when nothing of it runs any more.
    ///
    /// # Errors
    /// [`RunError`] where it was not carried out to its end; [`RunError::may_have_started`] says what that means.
    fn execute(&mut self, work: Work) -> Result<Report, RunError>;

    /// Does what nobody waits for: clears away behind the last attempt. Done by the next one, and at the end, where it is
    /// left out.
    fn clear(&mut self) {}
}

/// How the end of a handler is judged: outcome, and the class of the reason.
pub fn judge(ending: &sandbox::Ending, said: &HandlerStatus) -> (Outcome, Option<String>) {
    use nix::libc;
    use sandbox::{Cause, Stopped};
    let signal = |number: i32| {
        nix::sys::signal::Signal::try_from(number)
            .map_or_else(|_| format!("signal {number}"), |name| format!("signal {}", name.as_str()))
    };
    match &ending.cause {
        Cause::NotStarted(words) => (Outcome::Failed, Some(format!("not_started: {words}"))),
        _ if ending.timed_out => (Outcome::TimedOut, Some("timeout".to_owned())),
        _ if ending.stopped == Some(Stopped::WithAll) => (Outcome::Killed, Some("shutdown".to_owned())),
        _ if ending.stopped == Some(Stopped::Alone) => (Outcome::Cancelled, Some("cancelled".to_owned())),
        _ if ending.oom => (Outcome::Failed, Some("oom".to_owned())),
        _ if ending.over.is_some() => (Outcome::Failed, ending.over.map(|limit| format!("disk_quota: {limit}"))),
        Cause::Signaled(libc::SIGXCPU) => (Outcome::Failed, Some("cpu_time".to_owned())),
        Cause::Signaled(libc::SIGXFSZ) => (Outcome::Failed, Some("file_size".to_owned())),
        Cause::Signaled(number) => (Outcome::Killed, Some(signal(*number))),
        Cause::Exited(0) if said.denies_success() => {
            let word = said.status.map_or("failure", crate::outcome::Status::as_str);
            (Outcome::Failed, Some(format!("status.yml: {word}")))
        }
        Cause::Exited(0) => (Outcome::Succeeded, None),
        Cause::Exited(code) => (Outcome::Failed, Some(format!("exit {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;
    use sandbox::{Cause, Ending, Stopped};

    fn ending(cause: Cause) -> Ending {
        Ending { cause, timed_out: false, stopped: None, oom: false, over: None, layers: Vec::new() }
    }

    #[test]
    fn ends_are_judged_by_the_strongest_word() {
        let nothing = HandlerStatus::default();
        let denied = HandlerStatus { status: Some(Status::Failure), ..HandlerStatus::default() };
        let timed_out = Ending { timed_out: true, ..ending(Cause::Signaled(15)) };
        let stopped = Ending { stopped: Some(Stopped::WithAll), ..ending(Cause::Signaled(15)) };
        let cancelled = Ending { stopped: Some(Stopped::Alone), ..ending(Cause::Exited(0)) };
        let disk = Ending { over: Some("work"), ..ending(Cause::Signaled(9)) };
        let memory = Ending { oom: true, ..ending(Cause::Signaled(9)) };
        for (ending, said, outcome, reason) in [
            (ending(Cause::Exited(0)), &nothing, Outcome::Succeeded, None),
            (ending(Cause::Exited(0)), &denied, Outcome::Failed, Some("status.yml: failure")),
            (ending(Cause::Exited(3)), &nothing, Outcome::Failed, Some("exit 3")),
            (ending(Cause::Signaled(11)), &nothing, Outcome::Killed, Some("signal SIGSEGV")),
            (ending(Cause::Signaled(24)), &nothing, Outcome::Failed, Some("cpu_time")),
            (ending(Cause::Signaled(25)), &nothing, Outcome::Failed, Some("file_size")),
            (ending(Cause::Signaled(40)), &nothing, Outcome::Killed, Some("signal 40")),
            (timed_out, &nothing, Outcome::TimedOut, Some("timeout")),
            (stopped, &nothing, Outcome::Killed, Some("shutdown")),
            (cancelled, &nothing, Outcome::Cancelled, Some("cancelled")),
            (memory, &nothing, Outcome::Failed, Some("oom")),
            (disk, &nothing, Outcome::Failed, Some("disk_quota: work")),
            (
                ending(Cause::NotStarted("no such file".into())),
                &denied,
                Outcome::Failed,
                Some("not_started: no such file"),
            ),
        ] {
            assert_eq!(judge(&ending, said), (outcome, reason.map(str::to_owned)), "{ending:?}");
        }
    }
}
