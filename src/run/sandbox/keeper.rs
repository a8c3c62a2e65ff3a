//! The keeper of a slot: this program, started once more, that forks pid 1 of each job.
//!
//! Owns what the jobs of a slot may share one after another: control groups, the prepared root, and network, uts, cgroup and (for an ordinary
//! user) user namespace. It is single-threaded, so that forking is safe. Never: reads a command, a policy or a secret, or runs a handler;
//! all it is told is a [`Plan`], and then, for each job, a socket to hand on.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use fork::Fork;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getegid, geteuid, sethostname, setsid};

use super::wire::{self, Fault, Plan, Report, Step};
use super::{DESCRIPTORS_USUAL, filter, init, limit_descriptors, prepare_process, rights, root, tree};
use crate::job::Level;

/// The hidden subcommand `keeper`. To be called before any thread is started; standard input is the socket to the dispatcher.
pub fn keeper_main() -> ExitCode {
    const MISUSED: ExitCode = ExitCode::FAILURE;
    let prepared = prepare_process().and_then(|()| {
        // What runs here gets the usual number, whatever the dispatcher needs for itself.
        limit_descriptors(DESCRIPTORS_USUAL)?;
        let requests = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        // The copy is now the only one, and close-on-exec.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok((wire::receive::<Plan>(&requests)?, requests))
    });
    let Ok((Some((plan, _)), requests)) = prepared else {
        eprintln!("dispatch keeper: started by dispatch itself, never by hand");
        return MISUSED;
    };
    keep(requests, &plan)
}

/// Which of its processes this is, when a slot has been set up.
enum Side {
    /// The keeper proper, with its own pid namespace where it has one.
    Keeper(Option<File>),
    /// The process that the dispatcher waits for; this is its keeper.
    Stub(Pid),
}

fn keep(requests: UnixStream, plan: &Plan) -> ExitCode {
    match settle(plan) {
        Ok(Side::Keeper(home)) => serve(requests, plan, home.as_ref()),
        Ok(Side::Stub(keeper)) => {
            drop(requests);
            await_keeper(keeper)
        }
        Err(fault) => {
            // When the dispatcher is gone there is nobody to tell.
            let _ = wire::send(&requests, &Report::Fault(fault), &[]);
            ExitCode::FAILURE
        }
    }
}

fn settle(plan: &Plan) -> Result<Side, Fault> {
    single_threaded()?;
    enter_groups(plan)?;
    if !plan.is_isolated() {
        adopt_orphans()?;
        return Ok(Side::Keeper(None));
    }
    match enter_namespaces()? {
        Fork::Parent(keeper) => Ok(Side::Stub(Pid::from_raw(keeper))),
        Fork::Child => prepare_slot(plan).map(|home| Side::Keeper(Some(home))),
    }
}

/// Forks pid 1 of a job for each request, until the dispatcher closes its end or dies.
fn serve(requests: UnixStream, plan: &Plan, home: Option<&File>) -> ExitCode {
    let program = filter::program(filter::Walls::of(plan));
    if wire::send(&requests, &Report::Ready(layers(plan)), &[]).is_err() {
        return ExitCode::SUCCESS;
    }
    let mut job = None;
    loop {
        let request = wire::receive::<()>(&requests);
        reap(plan, job.take());
        let Ok(Some(((), descriptors))) = request else {
            break;
        };
        let Some(control) = descriptors.into_iter().next().map(UnixStream::from) else {
            break;
        };
        match fork_job(home) {
            Ok(Fork::Parent(pid)) => job = Some(Pid::from_raw(pid)),
            Ok(Fork::Child) => {
                drop(requests);
                init::main(plan, &control, &program)
            }
            Err(fault) => {
                let _ = wire::send(&control, &Report::Fault(fault), &[]);
                return ExitCode::FAILURE;
            }
        }
    }
    // A job's locks are held by its pid 1, which ends the rest first: let it.
    while plan.is_isolated() && !matches!(waitpid(None, None), Err(Errno::ECHILD)) {}
    ExitCode::SUCCESS
}

fn fork_job(home: Option<&File>) -> Result<Fork, Fault> {
    let new_pids = CloneFlags::CLONE_NEWPID;
    if home.is_some() {
        unshare(new_pids).step("namespace.pid", || "making one for the job".into())?;
    }
    let forked = fork::fork().step("process", || "forking pid 1 of the job".into())?;
    if let (Fork::Parent(_), Some(home)) = (&forked, home) {
        // `unshare` works once; from home it works again.
        setns(home, new_pids).step("namespace.pid", || "coming back to the slot's".into())?;
    }
    Ok(forked)
}

/// Takes leave of earlier jobs. A namespace may still be torn down meanwhile; without one nothing may be left over.
fn reap(plan: &Plan, job: Option<Pid>) {
    if plan.is_isolated() {
        let flags = Some(WaitPidFlag::WNOHANG);
        while !matches!(waitpid(None, flags), Ok(WaitStatus::StillAlive) | Err(_)) {}
    } else if let Some(job) = job {
        let _ = waitpid(job, None);
        tree::end_all(|_| {});
    }
}

fn layers(plan: &Plan) -> Vec<String> {
    let mut layers = Vec::new();
    if plan.is_isolated() {
        if !geteuid().is_root() {
            layers.push("namespace.user");
        }
        layers.extend(["namespace.mount", "namespace.pid", "namespace.ipc"]);
        layers.extend(["namespace.uts", "namespace.cgroup"]);
        if !plan.network {
            layers.push("namespace.net");
        }
    } else {
        layers.push("subreaper");
        if plan.level == Level::None {
            layers.push("process_group");
        }
    }
    layers.into_iter().map(String::from).collect()
}

fn single_threaded() -> Result<(), Fault> {
    let doing = || "counting own threads".into();
    let threads = fs::read_dir("/proc/self/task").step("proc", doing)?.count();
    if threads == 1 {
        return Ok(());
    }
    Err("there are several").step("keeper", doing)
}

/// Entering a control group waits for the kernel, about 10 ms: once per slot, and forks inherit.
fn enter_groups(plan: &Plan) -> Result<(), Fault> {
    let _ = setsid();
    for procs in &plan.cgroups {
        fs::write(procs, "0").step("cgroup", || format!("entering {}", procs.display()))?;
    }
    // When memory runs out a job goes, not its keeper. An ordinary user may not say so, but its jobs raise their own score.
    let _ = fs::write("/proc/self/oom_score_adj", "-1000");
    Ok(())
}

fn adopt_orphans() -> Result<(), Fault> {
    prctl::set_child_subreaper(true).step("subreaper", || "becoming one".into())
}

/// User namespace (for an ordinary user) and pid namespace. The keeper is itself a pid 1: only so may an ordinary user come back to its pid
/// namespace, and if it dies the kernel ends its jobs.
fn enter_namespaces() -> Result<Fork, Fault> {
    if !geteuid().is_root() {
        enter_user_namespace()?;
    }
    unshare(CloneFlags::CLONE_NEWPID).step("namespace.pid", || "unshare(CLONE_NEWPID)".into())?;
    fork::fork().step("process", || "forking the keeper".into())
}

fn enter_user_namespace() -> Result<(), Fault> {
    const LAYER: &str = "namespace.user";
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).step(LAYER, || "unshare(CLONE_NEWUSER)".into())?;
    for (file, content) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{uid} {uid} 1")),
        ("/proc/self/gid_map", format!("{gid} {gid} 1")),
    ] {
        fs::write(file, content).step(LAYER, || format!("writing {file}"))?;
    }
    Ok(())
}

fn prepare_slot(plan: &Plan) -> Result<File, Fault> {
    // The parent is single-threaded, so that this means what it says.
    prctl::set_pdeathsig(Signal::SIGKILL).step("process", || "PR_SET_PDEATHSIG".into())?;
    let home = File::open("/proc/self/ns/pid").step("proc", || "opening ns/pid".into())?;
    unshare(CloneFlags::CLONE_NEWNS).step("namespace.mount", || "unshare(CLONE_NEWNS)".into())?;
    unshare(CloneFlags::CLONE_NEWUTS).step("namespace.uts", || "unshare(CLONE_NEWUTS)".into())?;
    sethostname("sandbox").step("namespace.uts", || "naming the host".into())?;
    unshare(CloneFlags::CLONE_NEWCGROUP).step("namespace.cgroup", || "unshare(CLONE_NEWCGROUP)".into())?;
    if !plan.network {
        unshare(CloneFlags::CLONE_NEWNET).step("namespace.net", || "unshare(CLONE_NEWNET)".into())?;
    }
    root::prepare()?;
    // Inherited by every fork; what pid 1 of a job still needs is in its other sets.
    rights::drop_bounding_set()?;
    Ok(home)
}

/// Waits for the keeper proper. Success means that it ended because the dispatcher wanted it to.
fn await_keeper(keeper: Pid) -> ExitCode {
    loop {
        match waitpid(keeper, None) {
            Ok(WaitStatus::Exited(_, 0)) => return ExitCode::SUCCESS,
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return ExitCode::FAILURE,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}
