//! The order of writes and syncs, from the system calls of a run: what only a power cut would show in what is left.
//!
//! Of one request alone: with several, the steps of one lie between those of another, and rightly so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::checker::{Fault, Violation};
use crate::scenes::under;

const CALLS: &str = "fsync,fdatasync,syncfs,write,pwrite64,rename,renameat,renameat2,link,linkat,execve";

/// The calls of a run, in order.
pub struct Trace {
    calls: Vec<Call>,
}

struct Call {
    name: String,
    /// Arguments as strace prints them, with the paths of descriptors, and the result behind.
    text: String,
    /// A sync counts when it is over, everything else when it begins.
    is_over: bool,
}

/// Whether strace may be used here.
pub fn is_possible() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().is_ok_and(|status| status.success())
}

impl Trace {
    /// A command under strace, whose calls go to a file; `more` are arguments of strace.
    pub fn of(command: &Command, file: &Path, more: &[String]) -> Command {
        let mut arguments = ["-f", "-y", "-qq", "-s", "80", "-e", "signal=none", "-o"].map(str::to_owned).to_vec();
        arguments.extend([file.display().to_string(), "-e".to_owned(), format!("trace={CALLS}")]);
        arguments.extend_from_slice(more);
        let mut strace = under(command, "strace", &arguments);
        strace.stdin(Stdio::null()).process_group(0);
        strace
    }

    /// What a run did.
    pub fn read(file: &Path) -> io::Result<Self> {
        Ok(Self::parse(&String::from_utf8_lossy(&fs::read(file)?)))
    }

    fn parse(text: &str) -> Self {
        let mut begun: BTreeMap<&str, (String, String)> = BTreeMap::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            let Some((process, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let Some((name, mut text)) = begun.remove(process) else { continue };
                text.push_str(resumed.split_once("resumed>").map_or("", |(_, rest)| rest));
                calls.push(Call { name, text, is_over: true });
                continue;
            }
            let Some((name, text)) = rest.split_once('(') else { continue };
            let (name, text) = (name.to_owned(), text.to_owned());
            if let Some(first) = text.strip_suffix(" <unfinished ...>") {
                calls.push(Call { name: name.clone(), text: first.to_owned(), is_over: false });
                begun.insert(process, (name, first.to_owned()));
            } else {
                calls.push(Call { name: name.clone(), text: text.clone(), is_over: false });
                calls.push(Call { name, text, is_over: true });
            }
        }
        Self { calls }
    }

    /// Everything that began before what it follows from was on the disk.
    pub fn unsynced(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut say = |words: String| found.push(Violation::new(Fault::Unsynced, words));
        let (mut journal, mut spool, mut objects) = (false, false, false);
        let mut failed: BTreeSet<String> = BTreeSet::new();
        for call in &self.calls {
            let is_sync = matches!(call.name.as_str(), "fsync" | "fdatasync" | "syncfs");
            let path =
                call.text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path);
            if is_sync && !call.is_over && failed.contains(path) {
                say(format!("a sync of {path} failed, and is tried again"));
            }
            if is_sync != call.is_over {
                continue;
            }
            // Loose ones and packs of ours, as they get their names. What git brings, it syncs in a folder of its own first.
            let is_ours = |text: &str| text.contains("tmp_object_git2") || text.contains("tmp_dispatch-");
            let is_new = |text: &str| is_ours(text) || (text.contains("tmp_obj") && !text.contains("tmp_objdir"));
            let is_object = |text: &str| text.contains("/.git/objects/") && is_new(text);
            match call.name.as_str() {
                "fsync" | "fdatasync" | "syncfs" if !call.text.trim_end().ends_with("= 0") => {
                    failed.insert(path.to_owned());
                }
                "syncfs" => {
                    (journal, spool) = (false, false);
                    // A work tree may lie on another file system than its objects: its own sync does not stand for theirs.
                    objects &= !path.contains("/.git/objects");
                }
                "fsync" | "fdatasync" if path.ends_with("journal.db-wal") => journal = false,
                "write" | "pwrite64" if path.ends_with("journal.db-wal") => {
                    if spool {
                        say("a step is journalled while the record that it is about is not on the disk".to_owned());
                    }
                    journal = true;
                }
                "write" if path.ends_with("/witness/log") && call.text.contains("begin ") && journal => {
                    say("a handler runs while the journal is not on the disk".to_owned());
                }
                "write" if path.ends_with("/parcel.json") => spool = true,
                "rename" | "renameat" | "renameat2" | "link" | "linkat" if is_object(&call.text) => objects = true,
                "execve" if call.text.contains("\"update-ref\"") && objects => {
                    say("the branch moves while its objects are not on the disk".to_owned());
                }
                _ => {}
            }
        }
        found.dedup();
        found
    }
}
