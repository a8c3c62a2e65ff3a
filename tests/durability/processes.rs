//! The processes below a dispatcher, by what they are to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// What a process below a dispatcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Git, on this side.
    Git,
    /// Git on the other side of a push or fetch.
    Server,
    /// A keeper, the first process of a sandbox, or a handler.
    Sandbox,
    /// What a handler has started itself, and deals with itself.
    HandlersOwn,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub id: i32,
    pub role: Role,
}

impl Process {
    /// Whether a word stands in its command line.
    pub fn is(self, word: &str) -> bool {
        let command = fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    }
}

/// Everything below a process, parents first. `origin` is the repository in which the other side works.
pub fn below(root: u32, origin: &Path) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some((_, parent)) = name_and_parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    let mut next: Vec<i32> = i32::try_from(root).ok().into_iter().collect();
    while let Some(id) = next.pop() {
        for &child in children.get(&id).into_iter().flatten() {
            let role = role_of(child, origin);
            found.extend(role.map(|role| Process { id: child, role }));
            next.push(child);
        }
    }
    found
}

fn role_of(id: i32, origin: &Path) -> Option<Role> {
    let (name, parent) = name_and_parent(id)?;
    if !name.starts_with("git") {
        let of_handler = name_and_parent(parent).is_some_and(|(name, _)| name == "sh");
        return Some(if of_handler { Role::HandlersOwn } else { Role::Sandbox });
    }
    let there = fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder.starts_with(origin));
    Some(if there { Role::Server } else { Role::Git })
}

fn name_and_parent(id: i32) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let parent = tail.split_whitespace().nth(1)?.parse().ok()?;
    Some((name, parent))
}

/// SIGKILL; false where it is not there any more.
pub fn end(id: i32) -> bool {
    Pid::from_raw(id).is_some_and(|id| kill_process(id, Signal::KILL).is_ok())
}

/// Whether any process works in a folder.
pub fn is_busy(folder: &Path) -> bool {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|place| place.starts_with(folder)))
}
