//! Actions of the host file after a success: the machine owner's commands, run by the dispatcher as itself.
//!
//! Owns how one is started (outside every sandbox, with an environment made from nothing and no value of the request among
//! its arguments), supervised and ended, and what is kept of what it prints. Never decides whether one may run, or what its
//! end means for the request.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::local::{PATH, stream_of};
use super::output;
use super::sandbox::{Cause, Control, Ending, Launch, Limits, Slot, SlotSetup};
use super::{RunError, judge};
use crate::clock::Clock;
use crate::id::RequestId;
use crate::job::{ActionGrant, Job, Level, Row};
use crate::lock::ResourceLock;
use crate::outcome::ActionRun;
use crate::record::from_handler::HandlerStatus;
use crate::record::log::LogEvent;
use crate::redact::Secrets;
use crate::room::Wait;
use crate::spool;
use crate::statedir::StateDir;

/// The most that is kept of what one action prints; the kind's own cap where that is lower.
pub const OUTPUT_BYTES_MAX: u64 = 64 << 10;

/// One action to run.
#[derive(Debug)]
pub struct ActionWork {
    /// The request.
    pub id: RequestId,
    /// The attempt that succeeded.
    pub attempt: u32,
    /// The action's place among those of the request, from 1.
    pub number: u32,
    /// What to run.
    pub action: ActionGrant,
    /// The job whose handler succeeded.
    pub job: Arc<Job>,
    /// What the handler was given and must not be read in what the action prints.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// Held until the last process of the action is gone.
    pub locks: Vec<ResourceLock>,
}

/// Runs actions for one worker, one at a time.
pub struct Actions {
    index: u32,
    state: StateDir,
    keeper: PathBuf,
    clock: Arc<dyn Clock>,
    control: Control,
    room: Wait,
    slot: Option<Slot>,
}

impl Actions {
    /// For worker `index`. `control` ends what runs when the dispatcher is told to stop.
    pub fn new(index: u32, state: StateDir, keeper: PathBuf, clock: Arc<dyn Clock>, control: Control) -> Self {
        let room = Wait::none();
        Self { index, state, keeper, clock, control, room, slot: None }
    }

    /// Waits for room on a full disk before what came out of a run is given up.
    #[must_use]
    pub fn waiting(mut self, room: Wait) -> Self {
        self.room = room;
        self
    }

    /// Runs one action and returns when nothing of it runs any more.
    ///
    /// # Errors
    /// [`RunError`] where it was not carried out to its end; [`RunError::may_have_started`] says what that means.
    pub fn execute(&mut self, mut work: ActionWork) -> Result<ActionRun, RunError> {
        let secrets = Secrets::new(&work.secrets).map_err(|error| RunError::Secrets(error.to_string()))?;
        let folder = spool::action_folder(&self.state, work.id, work.attempt, work.number)?;
        let most = work.job.grant.limits.output.min(OUTPUT_BYTES_MAX);
        let mut output = output::Output::create(&folder, most, &secrets)
            .map_err(|error| RunError::Prepare { path: folder.join(output::FILE), source: io::Error::other(error) })?;
        let launch = launch(&mut work);
        let (clock, control) = (Arc::clone(&self.clock), self.control.clone());
        let slot = self.slot()?;
        let (started_at, began) = (clock.now(), clock.monotonic());
        let elapsed = || u64::try_from(clock.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let mut sink = |stream, bytes: &[u8]| output.push(stream_of(stream), bytes, elapsed());
        let ending = slot.run(launch, &mut sink, &control)?;
        let captured = output.finish(elapsed());
        let run = run_of(&work.action.name, &ending, started_at, elapsed(), &secrets);
        let name = &run.name;
        let first = LogEvent::ActionStarted { action: name.clone() };
        let last = (run.duration_ms.unwrap_or_default(), LogEvent::action_ended(&run));
        let events = captured.story(started_at, first, |event| event.by_action(name), last);
        // Not to be told of an attempt that did not begin.
        let saved = self.room.wait(|| spool::save_events(&folder, &events));
        saved.map_err(|source| RunError::Collect { path: folder.clone(), source })?;
        Ok(run)
    }

    /// A slot of its own beside the handlers': those that run in turn must not make each other's start anew.
    fn slot(&mut self) -> Result<&mut Slot, RunError> {
        if self.slot.is_none() {
            let setup = SlotSetup {
                index: self.index,
                level: Level::None,
                network: true,
                keeper: self.keeper.clone(),
                cgroup_name: None,
            };
            self.slot = Some(Slot::start(&setup)?);
        }
        Ok(self.slot.as_mut().expect("set just now"))
    }
}

fn launch(work: &mut ActionWork) -> Launch {
    let locks: Vec<&str> = work.job.locks.iter().map(String::as_str).collect();
    let env = [
        ("PATH", PATH.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOME", home()),
        ("DISPATCH_ID", work.id.to_string()),
        ("DISPATCH_KIND", work.job.kind.clone()),
        ("DISPATCH_RESOURCE", locks.join("\n")),
        ("DISPATCH_ACTION", work.action.name.clone()),
    ];
    Launch {
        argv: work.action.run.clone(),
        env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        cwd: "/".into(),
        stdin: Vec::new(),
        mounts: Vec::new(),
        empty_dirs: Vec::new(),
        files: Vec::new(),
        scratch: Vec::new(),
        tcp_ports: None,
        refresh: None,
        watched: Vec::new(),
        user: None,
        secrets: Vec::new(),
        secrets_dir: "/".into(),
        limits: unlimited(work.action.timeout),
        locks: work.locks.drain(..).map(|lock| lock.file).collect::<Vec<File>>(),
    }
}

/// The owner's own command is trusted with the machine; only its time is bounded.
fn unlimited(timeout: Duration) -> Limits {
    Limits { timeout, grace: Row::GRACE, memory: 0, pids: 0, cpu_time: None, tmp: 0, file_size: 0, nofile: 0 }
}

fn home() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    user.map_or_else(|| "/".to_owned(), |user| user.dir.display().to_string())
}

fn run_of(name: &str, ending: &Ending, started_at: Timestamp, took_ms: u64, secrets: &Secrets) -> ActionRun {
    let (_, reason) = judge(ending, &HandlerStatus::default());
    let (exit_code, signal) = match ending.cause {
        Cause::Exited(code) => (Some(code), None),
        Cause::Signaled(signal) => (None, Some(signal)),
        Cause::NotStarted(_) => (None, None),
    };
    ActionRun {
        name: name.to_owned(),
        started_at: Some(started_at),
        duration_ms: Some(took_ms),
        starts: None,
        exit_code,
        signal,
        reason: reason.map(|reason| secrets.mask_text(&reason)),
    }
}
