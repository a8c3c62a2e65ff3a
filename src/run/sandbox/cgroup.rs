//! The control groups of a slot.
//!
//! Owns where they are made (v2, or v1's memory and pids), their limits, and their removal. A group is entered once by the keeper; what each
//! job may use is written before it starts. Never: moves another process than its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

const ROOT: &str = "/sys/fs/cgroup";
/// The slot's own processes: the one that the dispatcher waits for, the keeper and pid 1 of the job.
pub(super) const OWN_PROCESSES: u64 = 3;
/// The group of the dispatcher itself, below one that was handed down to it.
const MAIN: &str = "dispatch-main";

/// Groups that hold one slot. Dropped when the slot is empty.
#[derive(Debug)]
pub(super) struct Cgroup {
    folders: Vec<PathBuf>,
    memory: Option<Memory>,
    pids: Option<PathBuf>,
    /// What the kernel said where a group could not be had.
    refusals: Vec<String>,
    /// Memory and processes as they were last set: nobody else sets them.
    limits: Option<(u64, u64)>,
    /// Where the kernel counts what it has ended for want of memory.
    events: Option<File>,
}

#[derive(Debug)]
enum Memory {
    V1(PathBuf),
    V2(PathBuf),
}

impl Cgroup {
    /// Makes the groups that this machine and our rights allow: both, one or none of memory and pids.
    pub(super) fn create(name: &str) -> Self {
        let mut made =
            Self { folders: Vec::new(), memory: None, pids: None, refusals: Vec::new(), limits: None, events: None };
        for parent in parents() {
            let folder = parent.path().join(name);
            if let Err(error) = fs::create_dir(&folder) {
                made.refusals.push(format!("making {}: {error}", folder.display()));
                continue;
            }
            let has = |file: &str| folder.join(file).exists();
            let useful = match parent {
                Parent::V2(_) => {
                    if has("memory.max") {
                        made.memory = Some(Memory::V2(folder.clone()));
                    }
                    if has("pids.max") {
                        made.pids = Some(folder.join("pids.max"));
                    }
                    has("memory.max") || has("pids.max")
                }
                Parent::V1Memory(_) => {
                    made.memory = Some(Memory::V1(folder.clone()));
                    true
                }
                Parent::V1Pids(_) => {
                    made.pids = Some(folder.join("pids.max"));
                    true
                }
            };
            if useful {
                let file = if matches!(parent, Parent::V2(_)) { "memory.events" } else { "memory.oom_control" };
                made.events = made.events.take().or_else(|| File::open(folder.join(file)).ok());
                made.folders.push(folder);
            } else {
                let above = parent.path().display();
                made.refusals.push(format!("{above}/cgroup.subtree_control hands neither memory nor pids down"));
                let _ = fs::remove_dir(&folder);
            }
        }
        made
    }

    /// Why there are not both.
    pub(super) fn why_not(&self) -> String {
        if self.refusals.is_empty() { format!("{ROOT} has no group to make it in") } else { self.refusals.join(", ") }
    }

    pub(super) fn holds_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(super) fn holds_pids(&self) -> bool {
        self.pids.is_some()
    }

    /// What the keeper writes itself into.
    pub(super) fn procs(&self) -> Vec<PathBuf> {
        let procs = |folder: &PathBuf| folder.join("cgroup.procs");
        self.folders.iter().map(procs).collect()
    }

    /// Sets what the next job may use; 0 is without limit.
    pub(super) fn limit(&mut self, memory: u64, pids: u64) -> io::Result<()> {
        if self.limits == Some((memory, pids)) {
            return Ok(());
        }
        self.limits = None;
        self.set(memory, pids)?;
        self.limits = Some((memory, pids));
        Ok(())
    }

    fn set(&self, memory: u64, pids: u64) -> io::Result<()> {
        let word = |value: u64, none: &str| match value {
            0 => none.to_owned(),
            value => value.to_string(),
        };
        if let Some(pids_max) = &self.pids {
            let pids = if pids == 0 { 0 } else { pids + OWN_PROCESSES };
            write(pids_max, &word(pids, "max"))?;
        }
        match &self.memory {
            Some(Memory::V2(folder)) => {
                // Absent without swap accounting.
                let _ = fs::write(folder.join("memory.swap.max"), "0");
                write(&folder.join("memory.max"), &word(memory, "max"))
            }
            Some(Memory::V1(folder)) => {
                let (limit, with_swap) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
                // The second may never be below the first; and it is absent without swap accounting.
                let _ = fs::write(folder.join(with_swap), "-1");
                write(&folder.join(limit), &word(memory, "-1"))?;
                let _ = fs::write(folder.join(with_swap), word(memory, "-1"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How many processes the kernel has ended here for want of memory.
    pub(super) fn oom_kills(&self) -> u64 {
        let mut events = [0; 1024];
        let length = self.events.as_ref().and_then(|file| file.read_at(&mut events, 0).ok()).unwrap_or(0);
        let events = String::from_utf8_lossy(&events[..length]);
        let kills = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
        events.lines().find_map(kills).unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // A namespace that is still torn down counts as a member for a moment; what stays is swept at the next start.
            for _ in 0..200 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Removes groups named `<prefix><process>-…` whose process is gone, left by a dispatcher that was killed, and ends what still runs in them.
/// Those of a living one stay even while they are empty, for its keepers are about to enter them.
pub fn sweep(prefix: &str) {
    let left = |name: &str| {
        let process = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
        process.is_some_and(is_gone)
    };
    for parent in parents() {
        for entry in fs::read_dir(parent.path()).into_iter().flatten().flatten() {
            if left(&entry.file_name().to_string_lossy()) {
                empty(&entry.path());
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Whether a process has ended. One that nobody has waited for, as below a container's init that reaps nobody, still has its number.
fn is_gone(process: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    // `7 (a name) Z 1 …`, and the name may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'Z' | 'X'))
}

/// Ends what runs in a group. First it is left alone for a moment: the lifeline of whoever has lost its dispatcher ends it in order, so that
/// locks are given back last.
fn empty(folder: &Path) {
    const PATIENCE_STEPS: u32 = 200;
    const STEPS: u32 = 600;
    for step in 0..STEPS {
        let members = members(folder);
        // The number 0 stands for processes of a pid namespace that is not below ours: another machine's, so to speak, whose dispatcher may live.
        if members.is_empty() || members.contains(&0) {
            return;
        }
        if step >= PATIENCE_STEPS && fs::write(folder.join("cgroup.kill"), "1").is_err() {
            // v1 has no such file. Who forks meanwhile is met in the next round.
            for member in members {
                let _ = kill(Pid::from_raw(member), Signal::SIGKILL);
            }
        }
        sleep(Duration::from_millis(5));
    }
}

fn members(folder: &Path) -> Vec<i32> {
    let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    members.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// The memory of an earlier job may take a moment to be given back, and until then v1 refuses a lower limit.
fn write(file: &Path, value: &str) -> io::Result<()> {
    let mut attempts = 100;
    loop {
        match fs::write(file, value) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && attempts > 0 => {
                attempts -= 1;
                sleep(Duration::from_millis(2));
            }
            written => return written,
        }
    }
}

/// Where a slot's group is made.
#[derive(Debug, PartialEq, Eq)]
enum Parent {
    V2(PathBuf),
    V1Memory(PathBuf),
    V1Pids(PathBuf),
}

impl Parent {
    fn path(&self) -> &Path {
        match self {
            Self::V2(path) | Self::V1Memory(path) | Self::V1Pids(path) => path,
        }
    }
}

fn parents() -> Vec<Parent> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        if let Some(parent) = delegated(&own, root, is_delegated) {
            return vec![Parent::V2(parent)];
        }
        let parent = v2_parent(&own, root);
        // The root group is free to hand its controllers down; elsewhere the owner has decided, and the refusal says so.
        hand_down(&parent);
        return vec![Parent::V2(parent)];
    }
    // Below our own group, so that a limit on us is one on our jobs too.
    let below = |controller: &str| {
        let own = own_group(&own, controller).filter(|group| group.exists());
        own.unwrap_or_else(|| root.join(controller))
    };
    let parents = [Parent::V1Memory(below("memory")), Parent::V1Pids(below("pids"))];
    let usable = |parent: &Parent| parent.path().join("cgroup.procs").exists();
    parents.into_iter().filter(usable).collect()
}

/// Our own group, where its owner has handed it down to us (`Delegate=yes`) and it can hand memory and pids on. A group that does so may hold
/// no process itself: we move into a group below it.
fn delegated(own: &str, root: &Path, is_delegated: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = root.join(path);
    // Where we are after the first time.
    let moved = group.file_name().is_some_and(|name| name == MAIN);
    let group = if moved { group.parent()?.to_owned() } else { group };
    if group == root || !is_delegated(&group) {
        return None;
    }
    if !moved {
        let main = group.join(MAIN);
        // Left by an earlier start of the same service.
        let _ = fs::create_dir(&main);
        fs::write(main.join("cgroup.procs"), "0").ok()?;
    }
    // Refused as long as anybody else is in the group.
    hand_down(&group);
    let handed = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    (handed.contains("memory") || handed.contains("pids")).then_some(group)
}

/// Each by itself: of two in one write the kernel takes none where one is missing.
fn hand_down(group: &Path) {
    for controller in ["+memory ", "+pids "] {
        let control = OpenOptions::new().append(true).open(group.join("cgroup.subtree_control"));
        let _ = control.and_then(|mut control| control.write_all(controller.as_bytes()));
    }
}

/// An ordinary user's group is its own; root owns all of them, and systemd marks those that it does not touch any more.
fn is_delegated(group: &Path) -> bool {
    let owner = fs::metadata(group).map(|found| found.uid());
    if !geteuid().is_root() {
        return owner.is_ok_and(|owner| owner == geteuid().as_raw());
    }
    ["trusted.delegate", "user.delegate"].iter().any(|mark| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, *mark, &mut value[..]).is_ok_and(|read| value[..read] == *b"1")
    })
}

/// A sibling of our own group: a group that holds processes itself cannot hand controllers down.
fn v2_parent(own: &str, root: &Path) -> PathBuf {
    own.lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .and_then(|path| root.join(path).parent().map(Path::to_owned))
        .filter(|parent| parent.starts_with(root))
        .filter(|parent| {
            let given = fs::read_to_string(parent.join("cgroup.subtree_control"));
            given.is_ok_and(|given| given.contains("memory") && given.contains("pids"))
        })
        .unwrap_or_else(|| root.to_owned())
}

/// `9:memory:/some/group`, in v1.
fn own_group(own: &str, controller: &str) -> Option<PathBuf> {
    own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let mounted = Path::new(ROOT).join(controller);
        (controllers == controller).then(|| mounted.join(path.trim_start_matches('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_nobody_has_waited_for_is_gone() {
        assert!(!is_gone(&std::process::id().to_string()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = child.id();
        assert!(!is_gone(&process.to_string()));
        child.kill().unwrap();
        // Ended, and not taken off the list.
        let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
        rustix::process::waitid(rustix::process::WaitId::Pid(process), ended).unwrap();
        assert!(is_gone(&child.id().to_string()));
        child.wait().unwrap();
        assert!(is_gone(&child.id().to_string()));
    }

    #[test]
    fn own_groups_are_found_in_v1() {
        let own = "9:name=systemd:/a\n4:memory:/x/y\n3:cpu,cpuacct:/z\n0::/\n";
        assert_eq!(own_group(own, "memory").unwrap(), Path::new("/sys/fs/cgroup/memory/x/y"));
        assert_eq!(own_group(own, "cpu"), None);
    }

    #[test]
    fn v2_takes_the_parent_only_where_it_hands_both_controllers_down() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("slice");
        fs::create_dir_all(slice.join("service")).unwrap();
        let own = "0::/slice/service\n";
        assert_eq!(v2_parent(own, root.path()), root.path());
        fs::write(slice.join("cgroup.subtree_control"), "cpu memory pids").unwrap();
        assert_eq!(v2_parent(own, root.path()), slice);
        assert_eq!(v2_parent("0::/\n", root.path()), root.path());
    }

    #[test]
    fn a_group_that_was_handed_down_is_divided() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("user.slice/dispatch.service");
        fs::create_dir_all(&service).unwrap();
        fs::write(service.join("cgroup.subtree_control"), "").unwrap();
        let own = "0::/user.slice/dispatch.service\n";
        assert_eq!(delegated(own, root.path(), |_| false), None, "not ours to divide");
        assert!(!service.join(MAIN).exists());
        assert_eq!(delegated(own, root.path(), |_| true), Some(service.clone()));
        assert_eq!(fs::read_to_string(service.join(MAIN).join("cgroup.procs")).unwrap(), "0");
        assert_eq!(fs::read_to_string(service.join("cgroup.subtree_control")).unwrap(), "+memory +pids ");
        // And again from below, where it has moved to.
        let moved = "0::/user.slice/dispatch.service/dispatch-main\n";
        assert_eq!(delegated(moved, root.path(), |group| group == service), Some(service.clone()));
        assert!(!service.join(MAIN).join(MAIN).exists());
        assert_eq!(delegated("0::/\n", root.path(), |_| true), None, "the root is nobody's");
        assert_eq!(delegated("4:memory:/x\n", root.path(), |_| true), None);
    }

    #[test]
    fn what_runs_in_a_group_of_v2_is_ended() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let is_v2 = |line: &&str| line.split(' ').nth(2) == Some("cgroup2");
        let Some(root) = mounts.lines().find(is_v2).and_then(|line| line.split(' ').nth(1)) else {
            return;
        };
        let group = Path::new(root).join(format!("sandbox-test-v2-{}", std::process::id()));
        if fs::create_dir(&group).is_err() {
            return;
        }
        let mut left = std::process::Command::new("sleep").arg("100000").spawn().unwrap();
        fs::write(group.join("cgroup.procs"), left.id().to_string()).unwrap();
        empty(&group);
        let ended = left.try_wait().unwrap();
        left.kill().unwrap();
        left.wait().unwrap();
        fs::remove_dir(&group).unwrap();
        assert!(ended.is_some(), "it still ran");
    }

    #[test]
    fn a_group_that_cannot_hand_its_controllers_on_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("service");
        fs::create_dir(&service).unwrap();
        // Somebody else is in it: the kernel does not take what is written.
        std::os::unix::fs::symlink("/dev/null", service.join("cgroup.subtree_control")).unwrap();
        assert_eq!(delegated("0::/service\n", root.path(), |_| true), None);
    }
}
