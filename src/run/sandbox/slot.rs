//! The dispatcher's side of a slot: one for each worker.
//!
//! Owns the life of a keeper (start, probe, restart, end) and what is sent to it. Two jobs that run at the same time never share a slot, which
//! `&mut self` says. Never: decides limits, users or mounts; they come with the job.

use std::fs::{self, File};
use std::io::{self, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::geteuid;
use rustix::fs::{MemfdFlags, SealFlags, SeekFrom};

use super::attend::{self, Ends, Seen};
use super::cgroup::{Cgroup, OWN_PROCESSES};
use super::refusal::refusal;
use super::secrets::SecretFiles;
use super::wire::{self, Fault, Job, Plan, Report};
use super::{Cause, Control, Ending, Launch, Limits, SlotSetup, Stream, Unavailable, User};
use crate::job::Level;

/// How long a keeper may take to answer; it takes some 10 ms.
const ANSWER_WAIT: Duration = Duration::from_mins(1);
/// Whom a probe runs as where there is a choice: `nobody`.
const PROBE_UID: u32 = 65534;
/// What a job adds to its slot's layers where its TCP is narrowed to ports.
pub const TCP_LAYER: &str = "landlock.net";

/// A place where jobs run one after another. Dropping it ends everything of it.
#[derive(Debug)]
pub struct Slot {
    // In this order: the keeper leaves its control groups before they are removed.
    keeper: Option<Keeper>,
    cgroup: Option<Cgroup>,
    setup: SlotSetup,
    layers: Vec<String>,
    scratch: Vec<OwnedFd>,
}

/// Why a job has no [`Ending`]. What it had started is gone, but for [`RunError::Stuck`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The machine does not give a layer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The caller asks for what a slot of this level does not do.
    #[error("launching in slot {slot}: {why}")]
    Refused {
        /// The slot's number.
        slot: u32,
        /// What it asks for.
        why: String,
    },
    /// Somebody ended the keeper or the job's supervisor, so that nobody knows how the handler would have ended. The next run starts anew.
    #[error("the supervisor of slot {slot} was ended from outside; the handler {}", if *maybe_started { "may have been started" } else { "was not started" })]
    Lost {
        /// The slot's number.
        slot: u32,
        /// Whether the handler may have been started.
        maybe_started: bool,
    },
    /// A process of the job did not end within a minute of being killed.
    #[error("ending the job of slot {slot}: {source}")]
    Stuck {
        /// The slot's number.
        slot: u32,
        /// What was waited for.
        source: io::Error,
    },
    /// A pipe, a socket, a memory file or a control group could not be made or used.
    #[error("{doing} for slot {slot}: {source}")]
    Io {
        /// The slot's number.
        slot: u32,
        /// What was tried.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Slot {
    /// Starts a keeper and sets up everything once without starting anything, so that a missing layer shows here and not at the first job.
    pub fn start(setup: &SlotSetup) -> Result<Self, Unavailable> {
        let mut slot = Self {
            keeper: None,
            cgroup: setup.cgroup_name.as_deref().map(Cgroup::create),
            setup: setup.clone(),
            layers: Vec::new(),
            scratch: Vec::new(),
        };
        slot.revive()?;
        Ok(slot)
    }

    /// The layers that are really active, such as `namespace.pid`, `seccomp` or `cgroup.memory`. `memory: rlimit` and `pids: rlimit` mean that
    /// no control group does it.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Each [`super::Scratch`] of the last job, to be read now that it has gone; none where its supervisor was killed.
    pub fn take_scratch(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.scratch)
    }

    /// Whether all of these layers are among [`Slot::layers`]; the first that is not is told as a layer that the host file wants.
    pub fn require(&self, layers: &[String]) -> Result<(), Unavailable> {
        let Some(missing) = layers.iter().find(|layer| !self.layers.contains(layer)) else {
            return Ok(());
        };
        let words = match &self.cgroup {
            Some(cgroup) if missing.starts_with("cgroup.") => cgroup.why_not(),
            _ => "it is not among the active layers".into(),
        };
        Err(Unavailable::required(missing, &words))
    }

    /// Runs a job to its end, hands its output to `sink` as it comes, and returns when nothing of it runs any more. What `sink` does not take
    /// holds the job up. A keeper that has been killed since the last job is started again.
    pub fn run(
        &mut self,
        mut launch: Launch,
        sink: &mut dyn FnMut(Stream, &[u8]),
        control: &Control,
    ) -> Result<Ending, RunError> {
        self.check(&launch)?;
        if self.keeper.as_mut().is_none_or(Keeper::has_ended) {
            self.revive()?;
        }
        let narrowed = launch.tcp_ports.is_some();
        let _secrets = (self.setup.level != Level::Isolated)
            .then(|| SecretFiles::expected(&launch.secrets_dir, launch.secrets.iter().map(|(name, _)| name)));
        let oom_kills_before = self.oom_kills();
        let limits = launch.limits.clone();
        let watched = std::mem::take(&mut launch.watched);
        self.scratch.clear();
        // Ours stay open until we return: should pid 1 of the job be killed, the locks outlive it.
        let (ends, _locks) = self.hand_over(launch)?;
        let seen = match attend::attend(ends, &limits, &watched, sink, control) {
            Ok(seen) => seen,
            Err(source) => {
                // Waiting for it would be waiting for what did not end.
                self.abandon();
                let slot = self.setup.index;
                return Err(RunError::Stuck { slot, source });
            }
        };
        let oom = self.oom_kills() > oom_kills_before;
        let ended = self.ending(seen, oom);
        self.make_ready();
        let mut ending = ended?;
        if narrowed && !ending.layers.iter().any(|layer| layer == TCP_LAYER) {
            ending.layers.push(TCP_LAYER.to_owned());
            ending.layers.sort();
        }
        Ok(ending)
    }

    /// Whether a job of this slot can be given [`Launch::tcp_ports`], by going through all steps of one.
    pub fn can_narrow_tcp(&mut self) -> Result<(), Unavailable> {
        self.probe(Some(Vec::new())).map(drop)
    }

    fn ending(&mut self, seen: Seen, oom: bool) -> Result<Ending, RunError> {
        let cause = match seen.report {
            Some(Report::Exited(code)) => Cause::Exited(code),
            Some(Report::Signaled(signal)) => Cause::Signaled(signal),
            Some(Report::NotStarted(why)) => Cause::NotStarted(why),
            Some(Report::Fault(fault)) => return Err(Unavailable::from(fault).into()),
            Some(Report::Unseen(why)) => {
                tracing::warn!("slot {}: the handler was started and its end was not seen: {why}", self.setup.index);
                return Err(self.lost(true));
            }
            Some(Report::Ready(_)) | None => {
                // Whatever is left ends with the keeper.
                self.keeper = None;
                if !oom {
                    return Err(self.lost(true));
                }
                Cause::Signaled(nix::libc::SIGKILL)
            }
        };
        self.scratch = seen.scratch;
        let Seen { timed_out, stopped, over, .. } = seen;
        Ok(Ending { cause, timed_out, stopped, oom, over, layers: self.layers.clone() })
    }

    /// Asks the keeper for a pid 1 and sends it the job.
    fn hand_over(&mut self, launch: Launch) -> Result<(Ends, Vec<File>), RunError> {
        let slot = self.setup.index;
        let failed = |doing| move |source| RunError::Io { slot, doing, source };
        if let Some(cgroup) = &mut self.cgroup {
            cgroup
                .limit(launch.limits.memory, launch.limits.pids)
                .map_err(failed("setting the control group's limits"))?;
        }
        let stdin = stdin_of(&launch.stdin).map_err(failed("preparing standard input"))?;
        let (stdout, out) = pipe().map_err(failed("making a pipe"))?;
        let (stderr, err) = pipe().map_err(failed("making a pipe"))?;
        let control = self.ask_for_job()?;
        let mut descriptors = vec![stdin.as_fd(), out.as_fd(), err.as_fd()];
        descriptors.extend(launch.locks.iter().map(File::as_fd));
        let user = launch.user.filter(|_| geteuid().is_root());
        let (address_space, processes) = self.stand_ins(&launch.limits, user.map(|user| user.uid));
        let job = Job {
            argv: launch.argv,
            env: launch.env,
            cwd: launch.cwd,
            mounts: launch.mounts,
            empty_dirs: launch.empty_dirs,
            files: launch.files,
            scratch: launch.scratch,
            refresh: launch.refresh,
            user,
            tcp_ports: launch.tcp_ports,
            secrets: launch.secrets,
            secrets_dir: launch.secrets_dir,
            limits: launch.limits,
            address_space,
            processes,
        };
        // An end that closes early has said why; `attend` reads it.
        let _ = wire::send(&control, &job, &descriptors);
        let ends = Ends { control, stdout, stderr };
        Ok((ends, launch.locks))
    }

    /// Has a pid 1 made ahead of its job, so that the job need not wait for what does not depend on it.
    fn make_ready(&mut self) {
        if self.keeper.is_some() {
            // What is wrong is told to the job that needs it.
            let ready = self.ask_for_job().ok();
            if let Some(keeper) = &mut self.keeper {
                keeper.ready = ready;
            }
        }
    }

    fn ask_for_job(&mut self) -> Result<UnixStream, RunError> {
        let slot = self.setup.index;
        let ready = self.keeper.as_mut().and_then(|keeper| keeper.ready.take());
        let mut fault = None;
        if let Some(ready) = ready {
            if attend::is_silent(&ready) {
                return Ok(ready);
            }
            // One that has ended, or has a fault to tell, is no use to this job: another may do better.
            if let Ok(Some((Report::Fault(told), _))) = wire::receive::<Report>(&ready) {
                fault = Some(Unavailable::from(told));
            }
        }
        let asked = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_write_timeout(Some(ANSWER_WAIT))?;
            ours.set_read_timeout(Some(ANSWER_WAIT))?;
            Ok((ours, theirs))
        });
        let (ours, theirs) = asked.map_err(|source| RunError::Io { slot, doing: "making a socket", source })?;
        let keeper = self.keeper.as_ref();
        let sent = keeper.map(|keeper| wire::send(&keeper.requests, &(), &[theirs.as_fd()]));
        if !matches!(sent, Some(Ok(()))) {
            self.keeper = None;
            return Err(fault.map_or_else(|| self.lost(false), Into::into));
        }
        Ok(ours)
    }

    /// What stands in where no control group holds memory or processes.
    fn stand_ins(&self, limits: &Limits, uid: Option<u32>) -> (Option<u64>, Option<u64>) {
        let cgroup = self.cgroup.as_ref();
        let memory = limits.memory;
        let memory = (memory > 0 && !cgroup.is_some_and(Cgroup::holds_memory)).then_some(memory);
        let pids = (limits.pids > 0 && !cgroup.is_some_and(Cgroup::holds_pids)).then(|| {
            // RLIMIT_NPROC counts all of a user's processes, but within a user namespace or a job's own user only these.
            let others = match self.setup.level {
                Level::Confined | Level::None => threads_of(uid.unwrap_or(geteuid().as_raw())),
                Level::Isolated => 0,
            };
            limits.pids + OWN_PROCESSES + others
        });
        (memory, pids)
    }

    fn check(&self, launch: &Launch) -> Result<(), RunError> {
        refusal(&self.setup, launch).map_or(Ok(()), |why| Err(RunError::Refused { slot: self.setup.index, why }))
    }

    fn revive(&mut self) -> Result<(), Unavailable> {
        // First the old one's end: it may still hold processes.
        self.keeper = None;
        let cgroups = self.cgroup.as_ref().map(Cgroup::procs).unwrap_or_default();
        let (keeper, mut layers) = Keeper::start(&self.setup, cgroups)?;
        self.keeper = Some(keeper);
        layers.extend(self.probe(None)?);
        let cgroup = self.cgroup.as_ref();
        for (held, name, stand_in) in [
            (cgroup.is_some_and(Cgroup::holds_memory), "cgroup.memory", "memory: rlimit"),
            (cgroup.is_some_and(Cgroup::holds_pids), "cgroup.pids", "pids: rlimit"),
        ] {
            layers.push(if held { name } else { stand_in }.to_owned());
        }
        layers.sort();
        self.layers = layers;
        self.make_ready();
        Ok(())
    }

    /// All steps of a job but the last.
    fn probe(&mut self, tcp_ports: Option<Vec<u16>>) -> Result<Vec<String>, Unavailable> {
        let silent = |kernel: String| Unavailable::from(Fault { layer: "keeper".into(), kernel });
        let user = geteuid().is_root().then_some(User::unnamed(PROBE_UID));
        let job = Job {
            argv: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            mounts: Vec::new(),
            empty_dirs: Vec::new(),
            files: Vec::new(),
            scratch: Vec::new(),
            refresh: None,
            user,
            tcp_ports,
            secrets: Vec::new(),
            secrets_dir: "/run/secrets".into(),
            limits: Limits {
                timeout: ANSWER_WAIT,
                grace: Duration::ZERO,
                memory: 0,
                pids: 0,
                cpu_time: None,
                tmp: 0,
                file_size: 0,
                nofile: 0,
            },
            address_space: None,
            processes: None,
        };
        let control = self.ask_for_job().map_err(|error| silent(error.to_string()))?;
        let answer = File::open("/dev/null").and_then(|null| {
            // One that could not even begin has said why, and may have gone.
            let _ = wire::send(&control, &job, &[null.as_fd(); 3]);
            wire::receive::<Report>(&control)
        });
        match answer {
            Ok(Some((Report::Ready(layers), _))) => Ok(layers),
            Ok(Some((Report::Fault(fault), _))) => Err(fault.into()),
            Ok(_) => Err(silent("the probe ended without a word".into())),
            Err(error) => Err(silent(format!("probing: {error}"))),
        }
    }

    fn oom_kills(&self) -> u64 {
        self.cgroup.as_ref().map_or(0, Cgroup::oom_kills)
    }

    fn lost(&self, maybe_started: bool) -> RunError {
        RunError::Lost { slot: self.setup.index, maybe_started }
    }

    /// Leaves a keeper to itself, without waiting.
    fn abandon(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.leave();
        }
    }
}

/// A running keeper. Dropping it waits until it and everything of it has gone.
#[derive(Debug)]
struct Keeper {
    /// `None` once it has been left to itself.
    process: Option<Child>,
    requests: UnixStream,
    /// To a pid 1 that waits for its job. The keeper does not end before it.
    ready: Option<UnixStream>,
}

impl Keeper {
    fn start(setup: &SlotSetup, cgroups: Vec<PathBuf>) -> Result<(Self, Vec<String>), Unavailable> {
        let unavailable = |doing: &str, error: &dyn std::fmt::Display| {
            Unavailable::from(Fault {
                layer: "keeper".into(),
                kernel: format!("{doing} {}: {error}", setup.keeper.display()),
            })
        };
        let (requests, theirs) = UnixStream::pair().map_err(|error| unavailable("a socket for", &error))?;
        let process = Command::new(&setup.keeper)
            .arg("keeper")
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| unavailable("starting", &error))?;
        let keeper = Self { process: Some(process), requests, ready: None };
        let plan = Plan { level: setup.level, network: setup.network, cgroups };
        let answer = keeper
            .requests
            .set_read_timeout(Some(ANSWER_WAIT))
            .and_then(|()| wire::send(&keeper.requests, &plan, &[]))
            .and_then(|()| wire::receive::<Report>(&keeper.requests));
        match answer {
            Ok(Some((Report::Ready(layers), _))) => Ok((keeper, layers)),
            Ok(Some((Report::Fault(fault), _))) => Err(fault.into()),
            Ok(_) => Err(unavailable("no answer from", &"it ended")),
            Err(error) => Err(unavailable("no answer from", &error)),
        }
    }

    fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_none_or(|process| !matches!(process.try_wait(), Ok(None)))
    }

    fn leave(mut self) {
        self.process = None;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ready = None;
        let _ = self.requests.shutdown(std::net::Shutdown::Both);
        if let Some(process) = &mut self.process {
            let _ = process.wait();
        }
    }
}

/// A sealed file in memory: it never blocks, and is never on a disk.
fn stdin_of(bytes: &[u8]) -> io::Result<File> {
    if bytes.is_empty() {
        return File::open("/dev/null");
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("stdin", flags)?);
    file.write_all(bytes)?;
    rustix::fs::seek(&file, SeekFrom::Start(0))?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file)
}

/// The threads that a user runs now.
fn threads_of(uid: u32) -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.metadata().is_ok_and(|process| process.uid() == uid))
        .filter_map(|entry| fs::read_dir(entry.path().join("task")).ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn standard_input_is_readable_and_cannot_be_changed() {
        let mut file = stdin_of(b"hello").unwrap();
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "hello");
        assert!(file.write_all(b"x").is_err());
        assert_eq!(stdin_of(b"").unwrap().read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn our_own_threads_are_counted() {
        assert!(threads_of(geteuid().as_raw()) >= 1);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Slot::start(&SlotSetup {
            index: 0,
            level: Level::None,
            network: true,
            keeper: "/nonexistent/dispatch".into(),
            cgroup_name: None,
        })
        .unwrap_err();
        assert_eq!(error.layer, "keeper");
        assert!(error.to_string().contains("/nonexistent/dispatch"), "{error}");
    }
}
