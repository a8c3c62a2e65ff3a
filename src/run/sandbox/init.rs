//! Pid 1 of a job: puts the last walls up, starts the handler, ends what is left, reports.
//!
//! Owns the order of the steps from a fork of the keeper to the handler's start, and the promise that the report comes after everything else
//! has gone. At `none` it is no pid 1 but a child subreaper, which comes to the same. Never: reads anything but its own socket.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, chown, fchown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, geteuid, setgroups, setresgid, setresuid, setsid};
use seccompiler::sock_filter;

use super::wire::{self, Fault, Job, Plan, Report, Step};
use super::{refresh, root, tree};

/// What a shell shows for SIGKILL; nobody is left to see it.
const ABANDONED: i32 = 137;

/// Above everybody's usual 0: a job dies of want of memory before its keeper and dispatcher do.
const OOM_SCORE: &str = "500";

/// Runs the one job of this process and ends it.
pub(super) fn main(plan: &Plan, control: &UnixStream, program: &[sock_filter]) -> ! {
    let mut scratch = None;
    let report = match attempt(plan, control, program, &mut scratch) {
        Ok(Some(report)) => report,
        Ok(None) => std::process::exit(ABANDONED),
        Err(fault) => Report::Fault(fault),
    };
    let scratch: Vec<BorrowedFd<'_>> = scratch.iter().map(AsFd::as_fd).collect();
    // Whoever does not listen any more has gone.
    let _ = wire::send(control, &report, &scratch);
    std::process::exit(0)
}

/// `None` when the dispatcher has gone. The locks are released on return, when everything else has ended.
fn attempt(
    plan: &Plan,
    control: &UnixStream,
    program: &[sock_filter],
    scratch: &mut Option<OwnedFd>,
) -> Result<Option<Report>, Fault> {
    let received = wire::receive::<Job>(control).step("process", || "reading the job".into())?;
    let Some((job, descriptors)) = received else {
        return Ok(None);
    };
    let mut descriptors = descriptors.into_iter();
    let [Some(stdin), Some(stdout), Some(stderr)] = [(); 3].map(|()| descriptors.next()) else {
        return Err("fewer than three").step("process", || "reading descriptors".into());
    };
    let _locks: Vec<OwnedFd> = descriptors.collect();
    if let Some(uid) = job.uid {
        for pipe in [&stdout, &stderr] {
            // So that the handler may open /dev/stdout and /dev/stderr. Only root can give them away.
            let _ = fchown(pipe, Some(uid), Some(uid));
        }
    }
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let (layers, _secrets) = if plan.isolated {
        (isolate(plan, &job, program, scratch)?, None)
    } else {
        (supervise_only(&job)?, Some(SecretFiles::write(&job)?))
    };
    if job.argv.is_empty() {
        return Ok(Some(Report::Ready(layers)));
    }
    if let Some(refresh) = &job.refresh
        && let Err(error) = refresh::bring_up(refresh)
    {
        return Ok(Some(Report::NotStarted(format!("bringing the checkout up: {error}"))));
    }
    let brood = match Brood::start(plan, &job, [stdin, stdout, stderr])? {
        Ok(brood) => brood,
        Err(why) => return Ok(Some(Report::NotStarted(why))),
    };
    let status = brood.attend(control)?;
    Ok(status.map(|status| match status {
        WaitStatus::Signaled(_, signal, _) => Report::Signaled(signal as i32),
        WaitStatus::Exited(_, code) => Report::Exited(code),
        // Not asked for, so that it cannot come.
        _ => Report::NotStarted("the handler's end was not seen".into()),
    }))
}

/// Everything of `isolated`. What the caller may still do afterwards is what a handler may do.
fn isolate(
    plan: &Plan,
    job: &Job,
    program: &[sock_filter],
    scratch: &mut Option<OwnedFd>,
) -> Result<Vec<String>, Fault> {
    let pid = std::process::id();
    if pid != 1 {
        return Err(format!("is {pid}")).step("namespace.pid", || "own pid".into());
    }
    die_with_keeper()?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC)
        .step("namespace.mount", || "unshare for the job".into())?;
    let as_root = geteuid().is_root();
    let user = job.uid.unwrap_or(geteuid().as_raw());
    *scratch = root::assemble(job, plan.network, user, as_root)?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE).step("proc", || "oom_score_adj".into())?;
    let _ = setsid();
    limit(job, true)?;
    if as_root {
        drop_user(user)?;
    }
    for set in [caps::CapSet::Ambient, caps::CapSet::Inheritable, caps::CapSet::Effective, caps::CapSet::Permitted] {
        caps::clear(None, set).step("capabilities", || format!("clearing {set:?}"))?;
    }
    prctl::set_dumpable(false).step("process", || "PR_SET_DUMPABLE".into())?;
    // The change of user has cleared it.
    die_with_keeper()?;
    prctl::set_no_new_privs().step("no_new_privs", || "PR_SET_NO_NEW_PRIVS".into())?;
    let mut layers = vec!["capabilities", "no_new_privs", "rlimits", "seccomp"];
    if as_root {
        layers.push("user");
    }
    if landlock(plan, job).step("landlock", || "restricting".into())? {
        layers.push("landlock");
    }
    seccompiler::apply_filter(program).step("seccomp", || "installing the filter".into())?;
    Ok(layers.into_iter().map(String::from).collect())
}

/// All of `none`: whatever detaches itself becomes our child.
fn supervise_only(job: &Job) -> Result<Vec<String>, Fault> {
    let _ = setsid();
    // The keeper may have put itself out of the kernel's reach, which must not be handed down.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    prctl::set_child_subreaper(true).step("subreaper", || "becoming one".into())?;
    limit(job, false)?;
    Ok(Vec::new())
}

fn die_with_keeper() -> Result<(), Fault> {
    // The keeper is single-threaded, so that "when the parent thread ends" means what it says.
    prctl::set_pdeathsig(Signal::SIGKILL).step("process", || "PR_SET_PDEATHSIG".into())
}

fn drop_user(user: u32) -> Result<(), Fault> {
    const LAYER: &str = "user";
    if user == 0 {
        return Err("a handler never runs as uid 0").step(LAYER, || "changing it".into());
    }
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    setgroups(&[]).step(LAYER, || "setgroups".into())?;
    setresgid(gid, gid, gid).step(LAYER, || "setresgid".into())?;
    setresuid(uid, uid, uid).step(LAYER, || "setresuid".into())
}

fn limit(job: &Job, isolated: bool) -> Result<(), Fault> {
    let asked = |value: u64| (value > 0).then_some(value);
    let wanted = [
        (Resource::RLIMIT_CORE, isolated.then_some(0)),
        (Resource::RLIMIT_FSIZE, asked(job.limits.file_size)),
        (Resource::RLIMIT_NOFILE, asked(job.limits.nofile)),
        (Resource::RLIMIT_CPU, job.limits.cpu_time.map(wire::whole_seconds)),
        (Resource::RLIMIT_AS, job.address_space),
        (Resource::RLIMIT_NPROC, job.processes),
    ];
    for (resource, value) in wanted {
        let Some(value) = value else { continue };
        let doing = || format!("{resource:?} to {value}");
        let value = value.min(getrlimit(resource).step("rlimits", doing)?.1);
        setrlimit(resource, value, value).step("rlimits", doing)?;
    }
    Ok(())
}

/// Whether the kernel has it. Read everywhere (the root holds nothing else), write only where the job may.
fn landlock(plan: &Plan, job: &Job) -> Result<bool, landlock::RulesetError> {
    let abi = ABI::V7;
    let fixed = ["/tmp", "/dev/shm", "/dev/null", "/dev/zero", "/dev/full", "/proc/self"];
    let granted = job.mounts.iter().filter(|granted| granted.writable).map(|granted| &granted.target);
    let own = job.scratch.iter().flat_map(|scratch| &scratch.folders).filter_map(|(_, place)| place.as_ref());
    let writable: Vec<PathBuf> = fixed.iter().map(PathBuf::from).chain(granted.chain(own).cloned()).collect();
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(abi))?;
    if !plan.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    let status = ruleset
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(&writable, AccessFs::from_all(abi)))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// The handler and all that it starts.
struct Brood {
    /// Its first process, the handler itself.
    first: Pid,
    /// How that one ended.
    status: Option<WaitStatus>,
    /// All processes of the namespace, or else the descendants.
    namespace: bool,
    deaths: SignalFd,
}

impl Brood {
    /// Starts the handler. The inner error is why it did not.
    fn start(plan: &Plan, job: &Job, [stdin, stdout, stderr]: [OwnedFd; 3]) -> Result<Result<Self, String>, Fault> {
        if let Err(error) = std::env::set_current_dir(&job.cwd) {
            return Ok(Err(format!("entering `{}`: {error}", job.cwd.display())));
        }
        let [path, arguments @ ..] = &job.argv[..] else {
            return Ok(Err("the command is empty".into()));
        };
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env_clear()
            .envs(job.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        if let Some(uid) = job.uid.filter(|_| !plan.isolated && geteuid().is_root()) {
            // Also leaves every supplementary group.
            command.uid(uid).gid(uid);
        }
        let first = match command.spawn() {
            Ok(child) => Pid::from_raw(child.id().cast_signed()),
            Err(error) => return Ok(Err(format!("starting `{path}`: {error}"))),
        };
        // Not before: the handler would inherit it, and a shell that waits for its children would wait for ever. What has
        // died by now is reaped before the first wait for a signal.
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().step("process", || "blocking SIGCHLD".into())?;
        let deaths = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .step("process", || "signalfd".into())?;
        Ok(Ok(Self { first, status: None, namespace: plan.isolated, deaths }))
        // `command` ends here, and with it our copies of the pipes: their end of file must mean that the job has closed them.
    }

    /// Waits for the handler, or for word to end it, then ends the rest. `None` when the dispatcher has gone.
    fn attend(mut self, mut control: &UnixStream) -> Result<Option<WaitStatus>, Fault> {
        let doing = || "watching the handler".to_owned();
        loop {
            while self.deaths.read_signal().step("process", doing)?.is_some() {}
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                if status == WaitStatus::StillAlive {
                    break;
                }
                self.note(status);
            }
            if self.status.is_some() {
                break;
            }
            let mut watched =
                [PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN), PollFd::new(control.as_fd(), PollFlags::POLLIN)];
            match poll(&mut watched, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).step("process", doing),
            }
            if watched[1].any() == Some(true) {
                let mut word = [0];
                match control.read(&mut word) {
                    Ok(1) if word[0] == wire::TERMINATE => self.terminate(),
                    Ok(1) => self.end(),
                    // The lifeline.
                    _ => {
                        self.end();
                        return Ok(None);
                    }
                }
            }
        }
        self.end();
        Ok(self.status)
    }

    fn terminate(&self) {
        if self.namespace {
            let _ = kill(Pid::from_raw(-1), Signal::SIGTERM);
        } else {
            tree::signal_all(Signal::SIGTERM);
        }
    }

    /// Kills and waits until nothing is left.
    fn end(&mut self) {
        if !self.namespace {
            let (first, status) = (self.first, &mut self.status);
            tree::end_all(|ended| {
                if ended.pid() == Some(first) {
                    *status = Some(ended);
                }
            });
            return;
        }
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        loop {
            match waitpid(None, None) {
                Ok(status) => self.note(status),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn note(&mut self, status: WaitStatus) {
        if status.pid() == Some(self.first) {
            self.status = Some(status);
        }
    }
}

/// The secrets of a job without a mount namespace: files that are removed when it ends.
struct SecretFiles {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl SecretFiles {
    fn write(job: &Job) -> Result<Self, Fault> {
        const LAYER: &str = "secrets";
        let mut written = Self { files: Vec::new(), folder: None };
        if job.secrets.is_empty() {
            return Ok(written);
        }
        let folder = &job.secrets_dir;
        if !folder.exists() {
            let doing = || format!("making {}", folder.display());
            nix::unistd::mkdir(folder, Mode::S_IRWXU).step(LAYER, doing)?;
            written.folder = Some(folder.clone());
            chown(folder, job.uid, job.uid).step(LAYER, doing)?;
        }
        for (name, bytes) in &job.secrets {
            let path = folder.join(name);
            let doing = || format!("writing {}", path.display());
            // Left by one that was killed.
            let _ = fs::remove_file(&path);
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o400);
            let mut file = options.open(&path).step(LAYER, doing)?;
            written.files.push(path.clone());
            file.write_all(bytes).step(LAYER, doing)?;
            fchown(&file, job.uid, job.uid).step(LAYER, doing)?;
        }
        Ok(written)
    }
}

impl Drop for SecretFiles {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir(folder);
        }
    }
}
