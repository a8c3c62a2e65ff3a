//! Ending everything below this process where no pid namespace does it.
//!
//! Owns the walk over descendants. It works only for a child subreaper: whoever detaches itself becomes our child again. Never signals anything
//! but descendants.

use std::collections::BTreeMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// Sends the signal to every descendant.
pub(super) fn signal_all(signal: Signal) {
    for pid in descendants() {
        // Gone already, or another user's (a setuid program): nothing to be done here.
        let _ = kill(pid, signal);
    }
}

/// Kills every descendant and waits until none is left. `noted` hears of each end.
///
/// Whoever was born while we looked has a parent that was killed: its death wakes us, and the next round sees the child.
pub(super) fn end_all(mut noted: impl FnMut(WaitStatus)) {
    let mut flags = Some(WaitPidFlag::WNOHANG);
    loop {
        match waitpid(None, flags) {
            Ok(WaitStatus::StillAlive) => {
                signal_all(Signal::SIGKILL);
                // Now somebody must end; then see who else has.
                flags = None;
            }
            Ok(status) => {
                noted(status);
                flags = Some(WaitPidFlag::WNOHANG);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn descendants() -> Vec<Pid> {
    let by_parent = children_by_parent();
    let mut found = Vec::new();
    let mut next = vec![getpid().as_raw()];
    while let Some(parent) = next.pop() {
        for child in by_parent.get(&parent).into_iter().flatten() {
            found.push(Pid::from_raw(*child));
            next.push(*child);
        }
    }
    found
}

/// Read from every process's `stat`, because not every kernel has `task/*/children`.
fn children_by_parent() -> BTreeMap<i32, Vec<i32>> {
    let mut by_parent: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Gone between the two reads: no child of anybody.
        let stat = fs::read(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent_in(&String::from_utf8_lossy(&stat)) {
            by_parent.entry(parent).or_default().push(pid);
        }
    }
    by_parent
}

/// `PID (NAME) STATE PARENT …`, where the name may hold anything, brackets and spaces too.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_its_parent() {
        assert_eq!(parent_in("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in("12 (a) S 1 (b) c) R 7 1 1"), Some(7));
        assert_eq!(parent_in(""), None);
    }

    #[test]
    fn a_grandchild_is_a_descendant() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).unwrap();
        let grandchild = Pid::from_raw(said.trim().parse().unwrap());
        let found = descendants();
        assert!(found.contains(&Pid::from_raw(child.id().cast_signed())));
        assert!(found.contains(&grandchild));
        kill(grandchild, Signal::SIGKILL).unwrap();
        child.wait().unwrap();
    }
}
