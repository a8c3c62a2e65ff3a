//! What a process of a job gives up on its way to being the handler: user, capabilities, and more than its limits.
//!
//! Owns these steps, not their order. Never: gives anything back.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::User;
use super::wire::{self, Fault, Job, Step};

/// Seconds from SIGXCPU, which says what has happened, to SIGKILL.
const CPU_GRACE: u64 = 5;

pub(super) fn drop_user(user: User) -> Result<(), Fault> {
    const LAYER: &str = "user";
    if user.uid == 0 {
        return Err("a handler never runs as uid 0").step(LAYER, || "changing it".into());
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    setgroups(&[]).step(LAYER, || "setgroups".into())?;
    setresgid(gid, gid, gid).step(LAYER, || "setresgid".into())?;
    setresuid(uid, uid, uid).step(LAYER, || "setresuid".into())
}

/// The set that bounds what an execution may give. It takes a capability of its own, which a change of user ends.
pub(super) fn drop_bounding_set() -> Result<(), Fault> {
    caps::clear(None, caps::CapSet::Bounding).step("capabilities", || "clearing the bounding set".into())
}

pub(super) fn drop_capabilities() -> Result<(), Fault> {
    for set in [caps::CapSet::Ambient, caps::CapSet::Inheritable, caps::CapSet::Effective, caps::CapSet::Permitted] {
        caps::clear(None, set).step("capabilities", || format!("clearing {set:?}"))?;
    }
    Ok(())
}

/// `walled`: without core files, which would lie where nobody looks for them.
pub(super) fn limit(job: &Job, walled: bool) -> Result<(), Fault> {
    let asked = |value: u64| (value > 0).then_some((value, value));
    let cpu = job.limits.cpu_time.map(wire::whole_seconds);
    let wanted = [
        (Resource::RLIMIT_CORE, walled.then_some((0, 0))),
        (Resource::RLIMIT_FSIZE, asked(job.limits.file_size)),
        (Resource::RLIMIT_NOFILE, asked(job.limits.nofile)),
        (Resource::RLIMIT_CPU, cpu.map(|seconds| (seconds, seconds.saturating_add(CPU_GRACE)))),
        (Resource::RLIMIT_AS, job.address_space.map(|bytes| (bytes, bytes))),
        (Resource::RLIMIT_NPROC, job.processes.map(|count| (count, count))),
    ];
    for (resource, value) in wanted {
        let Some((soft, hard)) = value else { continue };
        let doing = || format!("{resource:?} to {soft}");
        let most = getrlimit(resource).step("rlimits", doing)?.1;
        setrlimit(resource, soft.min(most), hard.min(most)).step("rlimits", doing)?;
    }
    Ok(())
}
