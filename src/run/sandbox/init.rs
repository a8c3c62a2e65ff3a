//! Pid 1 of a job: puts the last walls up, starts the handler, ends what is left, reports.
//!
//! Owns the order of the steps from a fork of the keeper to the handler's start, and the promise that the report comes after everything else
//! has gone. At `confined` and `none` it is no pid 1 but a child subreaper, which comes to the same. Never: reads anything but its own socket.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::fchown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getegid, geteuid, setsid};
use seccompiler::sock_filter;

use super::confine::{self, Started};
use super::ruleset::Rules;
use super::secrets::SecretFiles;
use super::unavailable::not_started;
use super::wire::{self, Fault, Job, Plan, Report, Step};
use super::{User, refresh, rights, root, tree};
use crate::job::Level;

/// What a shell shows for SIGKILL; nobody is left to see it.
const ABANDONED: i32 = 137;

/// Above everybody's usual 0: a job dies of want of memory before its keeper and dispatcher do.
const OOM_SCORE: &str = "500";

/// Runs the one job of this process and ends it.
pub(super) fn main(plan: &Plan, control: &UnixStream, program: &[sock_filter]) -> ! {
    let mut scratch = Vec::new();
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
    scratch: &mut Vec<OwnedFd>,
) -> Result<Option<Report>, Fault> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    // Before the job is known, and most often before there is one.
    let ground = if plan.is_isolated() {
        enter_namespaces()?;
        Some(root::lay_out()?)
    } else {
        None
    };
    let received = wire::receive::<Job>(control).step("process", || "reading the job".into())?;
    let Some((job, descriptors)) = received else {
        return Ok(None);
    };
    let mut descriptors = descriptors.into_iter();
    let [Some(stdin), Some(stdout), Some(stderr)] = [(); 3].map(|()| descriptors.next()) else {
        return Err("fewer than three").step("process", || "reading descriptors".into());
    };
    let _locks: Vec<OwnedFd> = descriptors.collect();
    if let Some(User { uid, gid }) = job.user {
        for pipe in [&stdout, &stderr] {
            // So that the handler may open /dev/stdout and /dev/stderr. Only root can give them away.
            let _ = fchown(pipe, Some(uid), Some(gid));
        }
    }
    let ends = [stdin, stdout, stderr];
    // Removed on return.
    let _secrets = if plan.is_isolated() { None } else { Some(SecretFiles::write(&job)?) };
    let first = if let Some(ground) = ground {
        let layers = isolate(plan, &job, ground, program, scratch)?;
        if job.argv.is_empty() {
            return Ok(Some(Report::Ready(layers)));
        }
        if let Err(error) = job.refresh.as_ref().map_or(Ok(()), refresh::bring_up) {
            return Ok(Some(Report::NotStarted(format!("bringing the checkout up: {error}"))));
        }
        match spawn(&job, ends) {
            Ok(first) => first,
            Err(why) => return Ok(Some(why)),
        }
    } else {
        supervise()?;
        match confine::start(plan, &job, program, ends)? {
            Started::Running(first) => first,
            Started::Ended(report) => return Ok(Some(report)),
        }
    };
    let status = match Brood::of(first, plan).and_then(|brood| brood.attend(control)) {
        Ok(status) => status,
        Err(fault) => {
            // From here on it is not true any more that nothing was started.
            end_all(plan);
            return Ok(Some(Report::Unseen(fault.kernel)));
        }
    };
    Ok(status.map(|status| match status {
        WaitStatus::Signaled(_, signal, _) => Report::Signaled(signal as i32),
        WaitStatus::Exited(_, code) => Report::Exited(code),
        // Not asked for, so that it cannot come.
        _ => Report::NotStarted("the handler's end was not seen".into()),
    }))
}

fn enter_namespaces() -> Result<(), Fault> {
    let pid = std::process::id();
    if pid != 1 {
        return Err(format!("is {pid}")).step("namespace.pid", || "own pid".into());
    }
    die_with_keeper()?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC).step("namespace.mount", || "unshare for the job".into())
}

/// The rest of `isolated`. What the caller may still do afterwards is what a handler may do.
fn isolate(
    plan: &Plan,
    job: &Job,
    ground: root::Ground,
    program: &[sock_filter],
    scratch: &mut Vec<OwnedFd>,
) -> Result<Vec<String>, Fault> {
    let as_root = geteuid().is_root();
    let user = job.user.unwrap_or(User { uid: geteuid().as_raw(), gid: getegid().as_raw() });
    *scratch = root::assemble(ground, job, plan.network, user, as_root)?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE).step("proc", || "oom_score_adj".into())?;
    let _ = setsid();
    rights::limit(job, true)?;
    if as_root {
        rights::drop_user(user)?;
    }
    rights::drop_capabilities()?;
    prctl::set_dumpable(false).step("process", || "PR_SET_DUMPABLE".into())?;
    // The change of user has cleared it.
    die_with_keeper()?;
    prctl::set_no_new_privs().step("no_new_privs", || "PR_SET_NO_NEW_PRIVS".into())?;
    let mut layers = vec!["capabilities", "no_new_privs", "rlimits", "seccomp"];
    if as_root {
        layers.push("user");
    }
    layers.extend(Rules::isolated(plan, job)?.enforce()?);
    seccompiler::apply_filter(program).step("seccomp", || "installing the filter".into())?;
    Ok(layers.into_iter().map(String::from).collect())
}

/// What is outside of the walls, where there is no pid namespace: whatever detaches itself becomes our child.
fn supervise() -> Result<(), Fault> {
    let _ = setsid();
    // The keeper may have put itself out of the kernel's reach, which must not be handed down.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    prctl::set_child_subreaper(true).step("subreaper", || "becoming one".into())
}

/// Kills whatever the job has started, and waits until nothing of it is left.
pub(super) fn end_all(plan: &Plan) {
    if !plan.is_isolated() {
        return tree::end_all(|_| {});
    }
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while !matches!(waitpid(None, None), Err(error) if error != Errno::EINTR) {}
}

fn die_with_keeper() -> Result<(), Fault> {
    // The keeper is single-threaded, so that "when the parent thread ends" means what it says.
    prctl::set_pdeathsig(Signal::SIGKILL).step("process", || "PR_SET_PDEATHSIG".into())
}

/// Starts the handler; the error is what to report where it did not. On return our copies of the pipes are closed: their end of file must mean that the job has
/// closed them.
fn spawn(job: &Job, ends: [OwnedFd; 3]) -> Result<Pid, Report> {
    std::env::set_current_dir(&job.cwd)
        .map_err(|error| Report::NotStarted(format!("entering `{}`: {error}", job.cwd.display())))?;
    let (path, mut command) =
        command(job, ends).ok_or_else(|| Report::NotStarted("the command is empty".to_owned()))?;
    let child = command.process_group(0).spawn().map_err(|error| not_started(path, &error, Level::Isolated))?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// A job's program and what it is started with; none where the job is a probe.
pub(super) fn command(job: &Job, [stdin, stdout, stderr]: [OwnedFd; 3]) -> Option<(&str, Command)> {
    let (path, arguments) = job.argv.split_first()?;
    let mut command = Command::new(path);
    let env = job.env.iter().map(|(name, value)| (name, value));
    command.args(arguments).env_clear().envs(env).stdin(stdin).stdout(stdout).stderr(stderr);
    Some((path, command))
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
    /// To be called when the handler runs. Not before: it would inherit the mask, and a shell that waits for its children would wait for ever.
    /// What has died by now is reaped before the first wait for a signal.
    fn of(first: Pid, plan: &Plan) -> Result<Self, Fault> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().step("process", || "blocking SIGCHLD".into())?;
        let deaths = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .step("process", || "signalfd".into())?;
        Ok(Self { first, status: None, namespace: plan.is_isolated(), deaths })
    }

    /// Waits for the handler, or for word to end it, then ends the rest. `None` when the dispatcher has gone.
    fn attend(mut self, mut control: &UnixStream) -> Result<Option<WaitStatus>, Fault> {
        let doing = || "watching the handler".to_owned();
        loop {
            while self.deaths.read_signal().step("process", doing)?.is_some() {}
            let alone = self.reap();
            if self.status.is_some() {
                if !alone {
                    self.end();
                }
                return Ok(self.status);
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
    }

    /// Takes note of all that have ended. Whether nobody is left: whoever lives here is our child, or a descendant of one.
    fn reap(&mut self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return false,
                Ok(status) => self.note(status),
                Err(Errno::EINTR) => {}
                Err(error) => return error == Errno::ECHILD,
            }
        }
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
