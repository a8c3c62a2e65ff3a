//! What of the file tree, of TCP and of other processes Landlock leaves to a handler.
//!
//! Owns the rules of both levels that have them, and the judgement of what the kernel made of them: at `confined` they are the wall and must
//! be there, at `isolated` they stand behind the namespaces. Never: hides what Landlock has no word for (file modes and times, names of
//! files); docs/containment.md lists that.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope, path_beneath_rules,
};
use nix::unistd::geteuid;

use super::etc;
use super::root::{DEVICES, SYSTEM};
use super::wire::{Fault, Job, Plan, Step};

const LAYER: &str = "landlock";
/// The newest rules that are asked for; an older kernel takes those that it knows.
const ABI_USED: ABI = ABI::V7;
/// The first with rules for TCP.
const ABI_OF_TCP: ABI = ABI::V4;
/// The first that keeps signals in.
const ABI_OF_SIGNALS: ABI = ABI::V6;

/// Of `/etc`, where nothing of our own making lies over it.
const ETC_USERS: [&str; 2] = ["passwd", "group"];
/// Of `/proc`, what says nothing about other processes.
const PROC: [&str; 8] = ["cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "sys"];
/// Of the handler's own folder in `/proc`: all but what leads to the host's network (`net`, and `task/…/net`).
const PROC_SELF: [&str; 16] = [
    "auxv",
    "cgroup",
    "cmdline",
    "comm",
    "environ",
    "fd",
    "fdinfo",
    "limits",
    "maps",
    "mountinfo",
    "mounts",
    "smaps",
    "smaps_rollup",
    "stat",
    "statm",
    "status",
];

/// Rules that are complete and not yet in force.
pub(super) struct Rules {
    ruleset: RulesetCreated,
    wanted: Wanted,
}

/// What must come of the rules.
#[derive(Clone, Copy)]
struct Wanted {
    role: Role,
    /// Rules for TCP are among them.
    tcp: bool,
    /// They were asked for by port, so that nothing else can stand in.
    ports: bool,
}

/// What Landlock is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To stand behind the namespaces.
    Second,
    /// To be the wall.
    Wall,
    /// To be the wall between a handler and other processes of its uid, too.
    WallWithinUser,
}

impl Rules {
    /// Read everywhere (the job's root holds nothing else), write only where the job may.
    pub(super) fn isolated(plan: &Plan, job: &Job) -> Result<Self, Fault> {
        let fixed = ["/tmp", "/dev/shm", "/dev/null", "/dev/zero", "/dev/full", "/proc/self"].map(Path::new);
        let granted = job.mounts.iter().filter(|granted| granted.writable).map(|granted| granted.target.as_path());
        let mut rules = Self::begin(plan, job, Role::Second)?;
        rules.allow(["/"], AccessFs::from_read(ABI_USED))?;
        let own = job.scratch.iter().map(|scratch| scratch.place.as_path());
        rules.allow(fixed.into_iter().chain(granted).chain(own), AccessFs::from_all(ABI_USED))?;
        Ok(rules)
    }

    /// The view of a job without a mount namespace. To be made by the process itself, while it still has the rights to reach what is granted.
    pub(super) fn confined(plan: &Plan, job: &Job) -> Result<Self, Fault> {
        let role = if geteuid().is_root() { Role::Wall } else { Role::WallWithinUser };
        let mut rules = Self::begin(plan, job, role)?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let device = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        let below = |folder: &'static str| move |name: &&str| Path::new(folder).join(name);
        rules.allow(SYSTEM.iter().map(below("/")), AccessFs::from_read(ABI_USED))?;
        rules.allow(etc::SHOWN.iter().chain(&ETC_USERS).map(below("/etc")), read)?;
        if plan.network {
            rules.allow(etc::WITH_NETWORK.iter().chain(&["resolv.conf"]).map(below("/etc")), read)?;
        }
        rules.allow(DEVICES.iter().map(below("/dev")), device)?;
        rules.allow(PROC.iter().map(below("/proc")), read)?;
        rules.allow(PROC_SELF.iter().map(below("/proc/self")), read)?;
        for granted in &job.mounts {
            let access = if granted.writable { AccessFs::from_all(ABI_USED) } else { AccessFs::from_read(ABI_USED) };
            rules.grant(&granted.source, access, "mount")?;
        }
        if !job.secrets.is_empty() {
            rules.grant(&job.secrets_dir, read, "secrets")?;
        }
        Ok(rules)
    }

    fn begin(plan: &Plan, job: &Job, role: Role) -> Result<Self, Fault> {
        let doing = || "making rules".to_owned();
        let ports = job.tcp_ports.is_some();
        let wanted = Wanted { role, tcp: !plan.network || ports, ports };
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI_USED))
            .step(LAYER, doing)?;
        if wanted.tcp {
            ruleset = ruleset.handle_access(AccessNet::from_all(ABI_USED)).step(LAYER, doing)?;
        }
        let ruleset = ruleset.scope(Scope::from_all(ABI_USED)).and_then(Ruleset::create).step(LAYER, doing)?;
        let ports = job.tcp_ports.iter().flatten().map(|port| Ok(NetPort::new(*port, AccessNet::ConnectTcp)));
        let ruleset = ruleset.add_rules(ports).map_err(|error: landlock::RulesetError| error);
        Ok(Self { ruleset: ruleset.step("landlock.net", || "allowing ports".into())?, wanted })
    }

    /// Allows what is there; no system has all of it.
    fn allow<P: AsRef<Path>>(
        &mut self,
        paths: impl IntoIterator<Item = P>,
        access: BitFlags<AccessFs>,
    ) -> Result<(), Fault> {
        let added = (&mut self.ruleset).add_rules(path_beneath_rules(paths, access));
        added.map(drop).step(LAYER, || "allowing the system's folders".into())
    }

    /// Allows what was asked for by name, and so must be there.
    fn grant(&mut self, path: &Path, access: BitFlags<AccessFs>, layer: &str) -> Result<(), Fault> {
        let found = PathFd::new(path).step(layer, || format!("opening {}", path.display()))?;
        let added = (&mut self.ruleset).add_rule(PathBeneath::new(found, access));
        added.map(drop).step(LAYER, || format!("allowing {}", path.display()))
    }

    /// Puts the rules in force, for good, and says which layers that makes.
    pub(super) fn enforce(self) -> Result<Vec<&'static str>, Fault> {
        let status = self.ruleset.restrict_self().step(LAYER, || "restricting".into())?;
        layers(status.landlock, self.wanted)
    }
}

fn layers(status: LandlockStatus, wanted: Wanted) -> Result<Vec<&'static str>, Fault> {
    let fault = |layer: &str, kernel: String| Err(Fault { layer: layer.to_owned(), kernel });
    let abi = match status {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        missing if wanted.role != Role::Second || wanted.ports => {
            let words = match missing {
                LandlockStatus::NotEnabled => "the kernel has it, and it is not switched on (EOPNOTSUPP)",
                _ => "the kernel was built without it (ENOSYS)",
            };
            return fault(LAYER, words.to_owned());
        }
        _ => return Ok(Vec::new()),
    };
    let found = |needed: ABI| format!("the kernel has ABI {abi}, and ABI {needed} is needed");
    if wanted.role == Role::WallWithinUser && abi < ABI_OF_SIGNALS {
        let words = format!("{} to keep a handler from signalling other processes of its user", found(ABI_OF_SIGNALS));
        return fault(LAYER, words);
    }
    if wanted.ports && abi < ABI_OF_TCP {
        return fault("landlock.net", format!("{} to narrow TCP to ports", found(ABI_OF_TCP)));
    }
    let mut layers = vec![LAYER];
    if abi >= ABI_OF_SIGNALS {
        layers.push("landlock.scope");
    }
    if wanted.tcp && abi >= ABI_OF_TCP {
        layers.push("landlock.net");
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(effective_abi: ABI) -> LandlockStatus {
        LandlockStatus::Available { effective_abi, kernel_abi: None }
    }

    fn judged(status: LandlockStatus, role: Role, ports: bool) -> Result<String, Fault> {
        layers(status, Wanted { role, tcp: true, ports }).map(|layers| layers.join(" "))
    }

    #[test]
    fn an_old_kernel_gives_fewer_layers_where_others_stand_in() {
        for (abi, expected) in [
            (ABI::V1, "landlock"),
            (ABI::V4, "landlock landlock.net"),
            (ABI::V6, "landlock landlock.scope landlock.net"),
            (ABI::V9, "landlock landlock.scope landlock.net"),
        ] {
            assert_eq!(judged(kernel(abi), Role::Second, false).unwrap(), expected);
            assert_eq!(judged(kernel(abi), Role::Wall, false).unwrap(), expected);
        }
        assert_eq!(judged(LandlockStatus::NotEnabled, Role::Second, false).unwrap(), "");
    }

    #[test]
    fn what_nothing_else_can_stand_in_for_is_a_fault() {
        for (status, role, ports, layer, words) in [
            (LandlockStatus::NotEnabled, Role::Wall, false, "landlock", "EOPNOTSUPP"),
            (LandlockStatus::NotImplemented, Role::WallWithinUser, false, "landlock", "ENOSYS"),
            (LandlockStatus::NotImplemented, Role::Second, true, "landlock", "ENOSYS"),
            (kernel(ABI::V5), Role::WallWithinUser, false, "landlock", "has ABI 5, and ABI 6 is needed"),
            (kernel(ABI::V3), Role::Wall, true, "landlock.net", "has ABI 3, and ABI 4 is needed"),
            (kernel(ABI::V3), Role::Second, true, "landlock.net", "has ABI 3, and ABI 4 is needed"),
        ] {
            let fault = judged(status, role, ports).unwrap_err();
            assert_eq!(fault.layer, layer);
            assert!(fault.kernel.contains(words), "{}", fault.kernel);
        }
    }
}
