//! Host paths that kinds are granted: each is shown to a handler of ours, in a real slot, that runs as the user who would use it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::users::{Known, User};
use crate::contract::Contract;
use crate::host::Host;
use crate::job::{Level, Row};
use crate::probe::Probe;
use crate::run::sandbox::{Cause, Mount};
use crate::trial::{self, Attempt, Trial, Trials};

/// A folder has to be entered too.
const SCRIPT: &str = r#"test "$1" "$2" && { test ! -d "$2" || test -x "$2"; }"#;

/// A path and who would use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The kind.
    pub kind: String,
    /// The path on the host.
    pub path: PathBuf,
    /// To write, or to read alone.
    pub writable: bool,
    /// At which level.
    pub level: Level,
    /// Whether the kind keeps something on the host and so has a user of its own.
    pub keeps: bool,
}

/// All that the file grants. Which level a kind runs at the repository says, where there is one.
pub(super) fn granted(host: &Host, contract: Option<&Contract>) -> Vec<Asked> {
    let row = |kind: &str| {
        let kind = contract.and_then(|contract| contract.rules.kinds.get(kind)).and_then(|kind| kind.as_ref().ok());
        kind.map(|kind| &kind.row)
    };
    let level = |kind: &str| row(kind).map_or(Level::Isolated, |row| row.sandbox.level);
    let writes = |kind: &str| host.file.write.get(kind).is_some_and(|paths| !paths.is_empty());
    let keeps = |kind: &str| writes(kind) || row(kind).is_some_and(Row::keeps_files);
    let each = |grants: &BTreeMap<String, Vec<PathBuf>>, writable| -> Vec<Asked> {
        let paths = grants.iter().flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path)));
        let ask = |(kind, path): (&String, &PathBuf)| {
            let level = level(kind);
            Asked { kind: kind.clone(), path: path.clone(), writable, level, keeps: keeps(kind) }
        };
        paths.map(ask).collect()
    };
    let mut all = each(&host.file.read, false);
    all.extend(each(&host.file.write, true));
    all
}

pub(super) fn rows(known: &Known<'_>, trials: &mut Trials<'_>, asked: &[Asked]) -> Vec<Probe> {
    let keepers = asked.iter().filter(|asked| asked.keeps).map(|asked| asked.kind.as_str());
    // Among kinds that have none yet, each is tried with one of its own.
    let with = known.with(keepers);
    let row = |asked: &Asked| {
        let verb = if asked.writable { "write" } else { "read" };
        let name = format!("{verb} {} {}", asked.kind, asked.path.display());
        match with.user_of(&asked.kind, asked.keeps) {
            Ok(user) => {
                let has = known.kind_uids.as_ref().is_some_and(|known| known.contains_key(&asked.kind));
                let words = if asked.keeps && !has && user.is_of_range {
                    format!("{} (the next free one, which it keeps from its first run on)", user.words)
                } else {
                    user.words.clone()
                };
                row(name, asked, &user, &words, trials)
            }
            Err(words) => {
                Probe::failed(name, words).help(format!("`run_as` and `uids` stand in {}", known.host.file.file))
            }
        }
    };
    asked.iter().map(row).collect()
}

fn row(name: String, asked: &Asked, user: &User, who: &str, trials: &mut Trials<'_>) -> Probe {
    let path = asked.path.display();
    let verb = if asked.writable { "write" } else { "read" };
    let Ok(meta) = fs::metadata(&asked.path) else {
        return Probe::failed(name, format!("`{path}` does not exist, and requests that ask for it are held"))
            .help(format!("make it (mkdir -p {path}), or take it out of the host file"));
    };
    let trial = match trials.at(asked.level) {
        Ok(trial) => trial,
        Err(fault) => {
            let words = format!("not tried, for want of level {}: {}", asked.level.as_str(), fault.layer);
            return Probe::skipped(name, words);
        }
    };
    match attempt(trial, asked, user.uid) {
        Ok(true) => Probe::ok(name, format!("{who} can {verb} it")),
        Ok(false) => {
            let help = remedy(&asked.path, meta.is_dir(), asked.writable, &user.name);
            let above = match asked.level {
                Level::Isolated => String::new(),
                level => format!("; at level {} it has to be able to enter the folders above, too", level.as_str()),
            };
            Probe::failed(name, format!("{who} cannot {verb} it")).help(help + &above)
        }
        Err(words) => Probe::failed(name, words).help("name a plain file or folder, by a path without symbolic links"),
    }
}

/// Whether that user can, inside.
fn attempt(trial: &mut Trial, asked: &Asked, uid: Option<u32>) -> Result<bool, String> {
    let right = if asked.writable { "-w" } else { "-r" };
    let words = ["/bin/sh", "-c", SCRIPT, "check", right].map(str::to_owned);
    let mount = Mount { source: asked.path.clone(), target: asked.path.clone(), writable: asked.writable };
    let outcome = trial.run(Attempt {
        argv: words.into_iter().chain([asked.path.display().to_string()]).collect(),
        mounts: if asked.level == Level::None { Vec::new() } else { vec![mount] },
        cwd: PathBuf::from("/"),
        uid,
        limits: trial::limits(),
    })?;
    match outcome.ending.cause {
        Cause::Exited(0) => Ok(true),
        Cause::Exited(1) => Ok(false),
        cause => Err(format!("trying it ended otherwise: {cause:?}")),
    }
}

fn remedy(path: &Path, folder: bool, writable: bool, user: &str) -> String {
    let path = path.display();
    let rights = match (writable, folder) {
        (true, true) => "rwx",
        (true, false) => "rw",
        (false, true) => "rx",
        (false, false) => "r",
    };
    let acl = format!("setfacl -m u:{user}:{rights} {path}");
    if writable {
        format!("chown {user} {path}, or: {acl}")
    } else {
        format!("{acl}, or: chmod o+{} {path}", if folder { "rx" } else { "r" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_can_be_typed() {
        let path = Path::new("/srv/www");
        assert_eq!(remedy(path, true, true, "60783"), "chown 60783 /srv/www, or: setfacl -m u:60783:rwx /srv/www");
        assert_eq!(remedy(path, false, false, "www"), "setfacl -m u:www:r /srv/www, or: chmod o+r /srv/www");
    }

    #[test]
    fn what_is_granted_is_asked_of_its_kind() {
        let file = crate::host_file::parse("h", b"read: {a: [/x], b: [/y]}\nwrite: {b: [/z]}\n").expect("sound");
        let host = Host { file, sha256: None, node: "n".into(), jobs: 1 };
        let all: Vec<_> = granted(&host, None)
            .into_iter()
            .map(|asked| (asked.kind, asked.path, asked.writable, asked.keeps))
            .collect();
        let row = |kind: &str, path: &str, writable, keeps| (kind.to_owned(), PathBuf::from(path), writable, keeps);
        assert_eq!(all, [row("a", "/x", false, false), row("b", "/y", false, true), row("b", "/z", true, true)]);
    }
}
