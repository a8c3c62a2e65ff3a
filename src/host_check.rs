//! `dispatch host check`: whether what the host file says can work on this machine, tried for real and told as rows; the self-test asks
//! the same questions of what kinds use. Changes nothing. What the file may say is `host_file.rs`.

mod figures;
mod kinds;
mod paths;
mod secrets;
mod users;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub use paths::Asked;
pub use users::Known;

use crate::contract::Contract;
use crate::diagnostic::did_you_mean;
use crate::host::Host;
use crate::job::{Level, SecretGrant};
use crate::probe::Probe;
use crate::run::sandbox::Unavailable;
use crate::trial::Trials;

/// Slot number of the first of these trials; workers count from 0.
const SLOT: u32 = 9990;

/// What is checked, and what is known beside it.
pub struct Subject<'a> {
    /// The machine and its host file.
    pub host: &'a Host,
    /// Where the host file was looked for.
    pub path: &'a Path,
    /// The program that is executed as keeper.
    pub keeper: &'a Path,
    /// The uids that kinds have, where there is a state folder to know them from.
    pub kind_uids: Option<BTreeMap<String, u32>>,
    /// What the repository says, where there is one that can be read.
    pub contract: Option<&'a Contract>,
    /// Whether the repository has a branch of that name; none where there is no repository.
    pub has_branch: Option<&'a dyn Fn(&str) -> bool>,
}

/// Checks everything that the host file says.
pub fn run(subject: &Subject<'_>) -> Vec<Probe> {
    let Subject { host, path, keeper, contract, .. } = subject;
    let known = Known { host, kind_uids: subject.kind_uids.clone() };
    let mut trials = Trials::new(SLOT, keeper);
    let mut probes = file(host, path);
    probes.extend(users::rows(&known, *contract));
    probes.extend(levels(host, &mut trials));
    probes.extend(paths::rows(&known, &mut trials, &paths::granted(host, *contract)));
    probes.extend(host.file.secrets.iter().flat_map(|(name, row)| {
        let grant = SecretGrant { name: name.clone(), source: row.source.clone() };
        [Some(secrets::row(&grant)), row.kinds.is_empty().then(|| nobody_has(name))].into_iter().flatten()
    }));
    probes.extend(kinds::actions(host));
    probes.extend(figures::rows(host, subject.has_branch));
    probes.push(kinds::named(host, *contract));
    probes
}

/// Where the file is, and whether a folder above it lets others put another in its place.
pub fn file(host: &Host, path: &Path) -> Vec<Probe> {
    const NAME: &str = "host file";
    let shown = path.display();
    let Some(digest) = &host.sha256 else {
        return vec![Probe::ok(NAME, format!("`{shown}` does not exist: the safe defaults hold"))];
    };
    let mut probes = vec![Probe::ok(NAME, format!("`{shown}`, sha256 {}…", digest.get(..12).unwrap_or(digest)))];
    probes.extend(replaceable(path).map(|(why, help)| Probe::failed(NAME, why).help(help)));
    probes
}

/// The users of slots, which only root has.
pub fn slot_users(host: &Host) -> Probe {
    users::slots(host)
}

/// Tries secrets, each once.
pub fn secrets(grants: impl IntoIterator<Item = SecretGrant>) -> Vec<Probe> {
    let each: BTreeMap<String, SecretGrant> = grants.into_iter().map(|secret| (secret.name.clone(), secret)).collect();
    each.values().map(secrets::row).collect()
}

/// Tries host paths with the users that would use them.
pub fn paths(known: &Known<'_>, keeper: &Path, asked: &[Asked]) -> Vec<Probe> {
    paths::rows(known, &mut Trials::new(SLOT, keeper), asked)
}

fn nobody_has(name: &str) -> Probe {
    Probe::warning(format!("secret {name}"), "no kind may have it").help("name the kinds that may, in its `kinds`")
}

/// The layers of `isolated`, those that the file requires, and `confined` where it is allowed.
fn levels(host: &Host, trials: &mut Trials<'_>) -> Vec<Probe> {
    let levels = &host.file.levels;
    let lowered = levels.minimum == Level::Confined;
    let mut probes = vec![level(trials, Level::Isolated, !lowered && levels.none.is_empty())];
    if lowered {
        probes.push(level(trials, Level::Confined, true));
    }
    if let Ok(trial) = trials.at(Level::Isolated) {
        probes.extend(levels.require.iter().map(|layer| required(layer, trial.require(std::slice::from_ref(layer)))));
    }
    if lowered && let Ok(trial) = trials.at(Level::Confined) {
        let lacks: Vec<&str> =
            levels.require.iter().filter(|layer| !trial.layers().contains(layer)).map(String::as_str).collect();
        if !lacks.is_empty() {
            let words =
                format!("it has no {}, which `levels.require` names: kinds at confined are held", lacks.join(", "));
            probes.push(
                Probe::warning("level confined", words).help("let those kinds ask for `isolated`, or require less"),
            );
        }
    }
    probes
}

fn level(trials: &mut Trials<'_>, level: Level, needed: bool) -> Probe {
    let name = format!("level {}", level.as_str());
    match trials.at(level) {
        Ok(trial) => Probe::ok(name, format!("there: {}", trial.layers().join(", "))),
        Err(Unavailable { layer, kernel, hint }) => {
            let words = format!("{layer}: {kernel}");
            if needed { Probe::failed(name, words) } else { Probe::warning(name, words) }.help(hint.clone())
        }
    }
}

fn required(layer: &str, verdict: Result<(), Unavailable>) -> Probe {
    let name = format!("layer {layer}");
    match verdict {
        Ok(()) => Probe::ok(name, "required, and active"),
        Err(fault) if LAYERS.contains(&layer) => Probe::failed(name, fault.kernel).help(fault.hint),
        Err(_) => Probe::failed(name, "`levels.require` names it, and there is no such layer")
            .help(did_you_mean(layer, LAYERS).unwrap_or_else(|| format!("layers are {}", LAYERS.join(", ")))),
    }
}

/// Layers that a level may have.
const LAYERS: [&str; 17] = [
    "capabilities",
    "cgroup.memory",
    "cgroup.pids",
    "landlock",
    "landlock.net",
    "landlock.scope",
    "namespace.cgroup",
    "namespace.ipc",
    "namespace.mount",
    "namespace.net",
    "namespace.pid",
    "namespace.user",
    "namespace.uts",
    "no_new_privs",
    "rlimits",
    "seccomp",
    "user",
];

/// Why others could put a file of theirs in this one's place, and what to do: a folder above it that everybody may write, or that is
/// somebody else's.
fn replaceable(path: &Path) -> Option<(String, String)> {
    let us = rustix::process::geteuid().as_raw();
    let whole = fs::canonicalize(path).ok()?;
    whole.ancestors().skip(1).find_map(|folder| {
        let meta = fs::metadata(folder).ok()?;
        let shown = folder.display();
        if meta.uid() != 0 && meta.uid() != us {
            let words = format!("`{shown}` above it belongs to uid {}, who can put another in its place", meta.uid());
            return Some((words, format!("keep it in a folder of root's, or: chown {us} {shown}")));
        }
        // In a sticky folder everybody may add, and nobody may replace what is another's.
        let open = meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0;
        open.then(|| {
            let words = format!("`{shown}` above it may be written by others (mode {:04o})", meta.mode() & 0o7777);
            (words, format!("chmod go-w {shown}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::State;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_that_others_may_write_is_told() {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = temp.path().join("etc");
        fs::create_dir(&folder).expect("folder");
        let file = folder.join("host.yaml");
        fs::write(&file, "").expect("file");
        for (mode, open) in [(0o755, false), (0o775, true), (0o777, true), (0o1777, false)] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("mode");
            assert_eq!(replaceable(&file).is_some(), open, "{mode:o}");
        }
    }

    #[test]
    fn a_required_layer_is_there_unknown_or_lacking() {
        let fault = || Unavailable { layer: "x".into(), kernel: "no controller".into(), hint: "delegate it".into() };
        assert_eq!(required("seccomp", Ok(())).state, State::Ok);
        let lacking = required("cgroup.memory", Err(fault()));
        assert_eq!((lacking.state, lacking.help.as_deref()), (State::Failed, Some("delegate it")));
        let unknown = required("secomp", Err(fault()));
        assert_eq!(unknown.help.as_deref(), Some("did you mean `seccomp`?"));
    }
}
