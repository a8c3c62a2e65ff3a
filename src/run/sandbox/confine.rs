//! The first process of a job without namespaces, from its fork to the handler's execution.
//!
//! Owns the order of its steps: all the walls of `confined`, at `none` user and limits alone. Its parent, the job's supervisor, stays outside of the walls so that it can end the job. What goes wrong on the
//! way is told over a pipe that the execution closes. Never: waits for anything, or returns to the supervisor's code.

use std::io::{self, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;

use fork::Fork;
use nix::sys::prctl;
use nix::unistd::{Pid, geteuid, setsid};
use seccompiler::sock_filter;

use super::ruleset::Rules;
use super::unavailable::not_started;
use super::wire::{Fault, Job, Plan, Report, Step};
use super::{init, refresh, rights};
use crate::job::Level;

/// What the first process came to.
pub(super) enum Started {
    /// It has executed the handler.
    Running(Pid),
    /// It has ended without, and says why; for a probe this is [`Report::Ready`].
    Ended(Report),
}

/// Forks the first process and waits until it has executed the handler or said why not.
pub(super) fn start(plan: &Plan, job: &Job, program: &[sock_filter], ends: [OwnedFd; 3]) -> Result<Started, Fault> {
    let (mut hears, says) = pipe().step("process", || "a pipe for the handler's start".into())?;
    match fork::fork().step("process", || "forking the handler".into())? {
        Fork::Child => {
            drop(hears);
            let report = become_handler(plan, job, program, ends);
            tell(says, &report);
            std::process::exit(1)
        }
        Fork::Parent(pid) => {
            drop(says);
            let mut words = Vec::new();
            let told = hears.read_to_end(&mut words);
            if told.is_ok() && words.is_empty() {
                // Executed; or killed on the way, which its end will show.
                return Ok(Started::Running(Pid::from_raw(pid)));
            }
            if let Some(report) = told.ok().and_then(|_| serde_json::from_slice(&words).ok()) {
                let _ = nix::sys::wait::waitpid(Pid::from_raw(pid), None);
                return Ok(Started::Ended(report));
            }
            // It may have executed the handler by now.
            init::end_all(plan);
            Ok(Started::Ended(Report::Unseen("hearing of the handler's start".to_owned())))
        }
    }
}

fn tell(mut says: PipeWriter, report: &Report) {
    // Whoever does not listen any more has gone.
    let _ = serde_json::to_vec(report).map_err(io::Error::from).and_then(|words| says.write_all(&words));
}

/// Returns only where nothing was executed.
fn become_handler(plan: &Plan, job: &Job, program: &[sock_filter], ends: [OwnedFd; 3]) -> Report {
    // While it can still be entered: the wall that comes next is about paths, and modes may keep the job's user out.
    if let Err(error) = std::env::set_current_dir(&job.cwd) {
        return Report::NotStarted(format!("entering `{}`: {error}", job.cwd.display()));
    }
    let confined = match plan.level {
        Level::Confined => confine(plan, job, program),
        Level::Isolated | Level::None => settle(job),
    };
    let layers = match confined {
        Ok(layers) => layers,
        Err(fault) => return Report::Fault(fault),
    };
    let Some((path, mut command)) = init::command(job, ends) else {
        return Report::Ready(layers);
    };
    if let Err(error) = job.refresh.as_ref().map_or(Ok(()), refresh::bring_up) {
        return Report::NotStarted(format!("bringing the checkout up: {error}"));
    }
    not_started(path, &command.exec(), plan.level)
}

/// Everything of `confined`. What the caller may still do afterwards is what a handler may do.
fn confine(plan: &Plan, job: &Job, program: &[sock_filter]) -> Result<Vec<String>, Fault> {
    // Away from any terminal, in a process group of its own.
    setsid().step("process", || "setsid".into())?;
    let rules = Rules::confined(plan, job)?;
    let mut layers = vec!["capabilities", "no_new_privs", "rlimits", "seccomp"];
    if geteuid().is_root() {
        rights::drop_bounding_set()?;
        let user = job.user.ok_or("none was named").step("user", || "changing it".into())?;
        rights::drop_user(user)?;
        layers.push("user");
    }
    rights::drop_capabilities()?;
    rights::limit(job, true)?;
    prctl::set_no_new_privs().step("no_new_privs", || "PR_SET_NO_NEW_PRIVS".into())?;
    layers.extend(rules.enforce()?);
    seccompiler::apply_filter(program).step("seccomp", || "installing the filter".into())?;
    Ok(layers.into_iter().map(String::from).collect())
}

/// Everything of `none`. As root without a user it stays who it is.
fn settle(job: &Job) -> Result<Vec<String>, Fault> {
    setsid().step("process", || "setsid".into())?;
    if let Some(user) = job.user {
        rights::drop_user(user)?;
    }
    rights::limit(job, false)?;
    Ok(Vec::new())
}
