//! Users: the uids of slots and of kinds that keep something on the host, and those that `run_as` names.

use std::collections::BTreeMap;

use crate::contract::Contract;
use crate::host::{Host, users};
use crate::probe::Probe;

/// What is known of who runs what.
pub struct Known<'a> {
    /// The machine and its host file.
    pub host: &'a Host,
    /// The uids that kinds have, where there is a state folder to know them from.
    pub kind_uids: Option<BTreeMap<String, u32>>,
}

/// Who would run a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// As root: the uid. An ordinary user runs all of them.
    pub uid: Option<u32>,
    /// The user as `chown` takes it.
    pub name: String,
    /// The user in words.
    pub words: String,
    /// One of `uids`.
    pub is_of_range: bool,
}

impl Known<'_> {
    /// Who would run the handlers of a kind, `keeps` telling whether they keep something on the host. The error says why nobody can.
    pub(super) fn user_of(&self, kind: &str, keeps: bool) -> Result<User, String> {
        let file = &self.host.file;
        let us = rustix::process::geteuid();
        let is_root = us.is_root();
        match file.run_as.get(kind) {
            Some(name) => {
                let (uid, _) = users::ids_of(name)?;
                if !is_root && uid != us.as_raw() {
                    return Err(format!(
                        "`run_as` of kind `{kind}` is `{name}`, and only root can run as somebody else"
                    ));
                }
                let words =
                    if *name == uid.to_string() { format!("uid {uid}") } else { format!("`{name}` (uid {uid})") };
                Ok(User { uid: is_root.then_some(uid), name: name.clone(), words, is_of_range: false })
            }
            None if !is_root => {
                let uid = us.as_raw();
                let words = format!("uid {uid}, as whom the dispatcher runs,");
                Ok(User { uid: None, name: uid.to_string(), words, is_of_range: false })
            }
            None => {
                let none = BTreeMap::new();
                let known = self.kind_uids.as_ref().unwrap_or(&none);
                let uid = if keeps {
                    file.uids.of_kind(kind, self.host.jobs, known)
                } else {
                    // One slot's stands for all: nobody may depend on which it is.
                    file.uids.of_slots(self.host.jobs).map(|slots| *slots.start())
                };
                let uid = uid.map_err(|error| error.to_string())?;
                Ok(User { uid: Some(uid), name: uid.to_string(), words: format!("uid {uid}"), is_of_range: true })
            }
        }
    }

    /// With uids for these kinds as well, given in this order: which of several gets which is not known before they run.
    pub(super) fn with<'k>(&self, kinds: impl IntoIterator<Item = &'k str>) -> Known<'_> {
        let mut known = self.kind_uids.clone().unwrap_or_default();
        for kind in kinds {
            if let Ok(uid) = self.host.file.uids.of_kind(kind, self.host.jobs, &known) {
                known.insert(kind.to_owned(), uid);
            }
        }
        Known { host: self.host, kind_uids: Some(known) }
    }
}

/// The slots' users: there are enough, and they are nobody's.
pub(super) fn slots(host: &Host) -> Probe {
    const NAME: &str = "uids";
    if !rustix::process::geteuid().is_root() {
        return Probe::skipped(NAME, "only root has users to choose from: every handler runs as this user");
    }
    match users::of_slots(host.file.uids, host.jobs) {
        Ok(slots) => {
            let (first, last) = slots.into_inner();
            let who = if first == last {
                format!("the slot runs as {first}, which is")
            } else {
                format!("slots run as {first}-{last}, which are")
            };
            Probe::ok(NAME, format!("{who} nobody's"))
        }
        Err(error) => Probe::failed(NAME, error.to_string()).help(format!("`uids` stands in {}", host.file.file)),
    }
}

/// Slots, kinds that keep something, and `run_as`.
pub(super) fn rows(known: &Known<'_>, contract: Option<&Contract>) -> Vec<Probe> {
    let host = known.host;
    let mut probes = vec![slots(host)];
    if rustix::process::geteuid().is_root() {
        probes.extend(kinds(known, contract));
    }
    for (kind, name) in &host.file.run_as {
        let row = format!("run_as {kind}");
        probes.push(match known.user_of(kind, false) {
            Ok(user) => Probe::ok(row, user.words),
            Err(words) => Probe::failed(row, words).help(format!(
                "name a user of this machine that is not root{}: `run_as: {{{kind}: {name}}}` in {}",
                if rustix::process::geteuid().is_root() { "" } else { ", and run the dispatcher as root" },
                host.file.file
            )),
        });
    }
    probes
}

/// Those that kinds have or will get.
fn kinds(known: &Known<'_>, contract: Option<&Contract>) -> Vec<Probe> {
    const NAME: &str = "uids of kinds";
    let host = known.host;
    let mut all: Vec<&str> = match contract {
        // What the repository asks for; a kind that it does not have gets none.
        Some(contract) => {
            let kinds = contract.rules.kinds.values().filter_map(|kind| kind.as_ref().ok());
            kinds.filter(|kind| kind.row.keeps_files()).map(|kind| kind.row.kind.as_str()).collect()
        }
        None => host.file.write.iter().filter(|(_, paths)| !paths.is_empty()).map(|(kind, _)| kind.as_str()).collect(),
    };
    all.retain(|kind| !host.file.run_as.contains_key(*kind));
    all.extend(known.kind_uids.iter().flatten().map(|(kind, _)| kind.as_str()));
    all.sort_unstable();
    all.dedup();
    let mut given = known.kind_uids.clone().unwrap_or_default();
    let mut shown = Vec::new();
    for kind in &all {
        let uid = match host.file.uids.of_kind(kind, host.jobs, &given) {
            Ok(uid) => uid,
            Err(error) => {
                return vec![
                    Probe::failed(NAME, error.to_string()).help(format!("`uids` stands in {}", host.file.file)),
                ];
            }
        };
        if let Some(whose) = users::whose(uid) {
            let words = format!("`{kind}` would run as somebody: {whose}");
            return vec![
                Probe::failed(NAME, words).help("name a free range under `uids`, or a user for it in `run_as`"),
            ];
        }
        let has = known.kind_uids.as_ref().is_some_and(|known| known.contains_key(*kind));
        shown.push(format!("`{kind}` {} {uid}", if has { "is" } else { "would be" }));
        given.insert((*kind).to_owned(), uid);
    }
    if shown.is_empty() { Vec::new() } else { vec![Probe::ok(NAME, shown.join(", "))] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_file::{HostFile, Uids};
    use crate::probe::State;

    fn host(text: &str) -> Host {
        let file = crate::host_file::parse("host.yaml", text.as_bytes()).expect("sound");
        Host { jobs: file.jobs.unwrap_or(1), file, sha256: None, node: "n".into() }
    }

    #[test]
    fn nobody_runs_as_root_or_as_nobody_known() {
        let host = host("run_as: {a: no-such-user-here, b: 12345}");
        let known = Known { host: &host, kind_uids: None };
        assert!(known.user_of("a", false).unwrap_err().contains("no such user"));
        let user = known.user_of("b", true);
        if rustix::process::geteuid().is_root() {
            assert_eq!(user.map(|user| user.uid), Ok(Some(12345)));
        } else {
            assert!(user.unwrap_err().contains("only root"));
        }
    }

    #[test]
    fn a_taken_or_small_range_is_told() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let mut host = Host { file: HostFile::default(), sha256: None, node: "n".into(), jobs: 2 };
        host.file.uids = Uids { first: 1, last: 9 };
        assert!(slots(&host).detail.contains("uid 1 is the user"), "{:?}", slots(&host));
        host.file.uids = Uids { first: 60_720, last: 60_720 };
        assert!(slots(&host).detail.contains("`jobs: 2`"), "{:?}", slots(&host));
        host.file.uids = Uids { first: 60_720, last: 60_721 };
        assert_eq!(slots(&host).state, State::Ok);
        host.file.write.insert("deploy".into(), vec!["/srv".into()]);
        let rows = rows(&Known { host: &host, kind_uids: None }, None);
        assert!(rows.iter().any(|row| row.state == State::Failed && row.detail.contains("widen `uids`")), "{rows:?}");
    }
}
