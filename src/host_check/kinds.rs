//! Names in the host file: kinds that the repository should have, and programs of actions that this machine should have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::contract::Contract;
use crate::diagnostic::did_you_mean;
use crate::host::Host;
use crate::probe::Probe;
use crate::run::PATH;

/// Kinds that are named and that no row of the index has: they may belong to another repository of this machine, or be misspelt.
pub(super) fn named(host: &Host, contract: Option<&Contract>) -> Probe {
    const NAME: &str = "kinds";
    let places = places(host);
    let Some(contract) = contract else {
        return Probe::skipped(NAME, "there is no repository here to look them up in: `-C DIR` names one");
    };
    let known: BTreeSet<&str> = contract.rules.index.rows().map(|(kind, _)| kind).collect();
    let unknown: Vec<String> = places
        .iter()
        .filter(|(kind, _)| !known.contains(*kind))
        .map(|(kind, keys)| {
            let near = did_you_mean(kind, known.iter().copied()).map(|near| format!(", {near}")).unwrap_or_default();
            format!("`{kind}` in {}{near}", keys.join(", "))
        })
        .collect();
    if unknown.is_empty() {
        return Probe::ok(NAME, format!("{} named, all in the index", places.len()));
    }
    Probe::warning(NAME, format!("no row of the index: {}", unknown.join("; ")))
        .help("mend the name, take it out, or add the row to handlers/index.yml")
}

/// Every kind that the file names, with the keys that do.
fn places(host: &Host) -> BTreeMap<&str, Vec<String>> {
    let file = &host.file;
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let all = file
        .run_as
        .keys()
        .map(|kind| (kind, "run_as".to_owned()))
        .chain(file.network.iter().map(|kind| (kind, "network".to_owned())))
        .chain(file.read.keys().map(|kind| (kind, "read".to_owned())))
        .chain(file.write.keys().map(|kind| (kind, "write".to_owned())))
        .chain(file.rate.keys().map(|kind| (kind, "rate".to_owned())))
        .chain(file.levels.none.iter().map(|kind| (kind, "levels.none".to_owned())))
        .chain(
            file.secrets
                .iter()
                .flat_map(|(name, row)| row.kinds.iter().map(move |kind| (kind, format!("secrets.{name}")))),
        )
        .chain(
            file.actions
                .iter()
                .flat_map(|(name, row)| row.kinds.iter().map(move |kind| (kind, format!("actions.{name}")))),
        );
    for (kind, key) in all.filter(|(kind, _)| *kind != "*") {
        places.entry(kind).or_default().push(key);
    }
    places
}

/// Actions: their programs exist and may be executed.
pub(super) fn actions(host: &Host) -> Vec<Probe> {
    let row = |(name, action): (&String, &crate::host_file::Action)| {
        let row = format!("action {name}");
        let program = action.run.first().map_or("", String::as_str);
        if action.kinds.is_empty() {
            return Probe::warning(row, "no kind may ask for it").help("name the kinds that may, in its `kinds`");
        }
        match find(program, PATH) {
            Some(found) => Probe::ok(row, format!("runs `{}`", found.display())),
            None => Probe::failed(row, format!("`{program}` is no program that can be executed here"))
                .help("name it by its absolute path, or install it"),
        }
    };
    host.file.actions.iter().map(row).collect()
}

/// As a shell would find it, but never in the working folder.
fn find(program: &str, path: &str) -> Option<PathBuf> {
    let executable = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_absolute() && executable(path));
    }
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| Path::new(folder).join(program)).find(|path| executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_they_are() {
        assert_eq!(find("sh", "relative:/nowhere:/bin"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find("/bin/sh", ""), Some(PathBuf::from("/bin/sh")));
        for program in ["", "no-such-program", "/etc/passwd", "bin/sh", "/bin"] {
            assert_eq!(find(program, "/bin:/"), None, "{program}");
        }
    }

    #[test]
    fn every_key_that_names_kinds_is_looked_at() {
        let text = "levels: {none: [a, \"*\"]}\nrun_as: {b: www}\nnetwork: [c]\nread: {d: [/x]}\nwrite: {d: [/y]}\n\
                    secrets: {T: {env: T, kinds: [e]}}\n";
        let file = crate::host_file::parse("h", text.as_bytes()).expect("sound");
        let host = Host { file, sha256: None, node: "n".into(), jobs: 1 };
        let places = places(&host);
        assert_eq!(places.keys().copied().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        assert_eq!(places["d"], ["read", "write"]);
        assert_eq!(places["e"], ["secrets.T"]);
    }
}
