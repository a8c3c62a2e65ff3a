//! The self-test: what a run would need, tried for real and told as rows. Changes nothing: no state folder is made, nothing is written
//! to the journal, nothing is pushed; the sandbox is tried on a temporary folder that is removed.

mod cell;
mod machine;
mod origin;
mod rules;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::clock::Clock;
use crate::contract::Contract;
use crate::host::Host;
use crate::repo::{Git, Identity, Oid, Repo};
use crate::statedir::StateDir;

/// How one probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// A run works, and a person should know this.
    Warning,
    /// A run would not work.
    Failed,
    /// It could not be tried, for the reason given.
    Skipped,
}

/// One row of the self-test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What was tried.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// What was found, in one line.
    pub detail: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Probe {
    fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let detail = detail.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" · ");
        Self { name: name.into(), state, detail, help: None }
    }

    /// A row for what works.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Ok, detail)
    }

    /// A row for what a person should know.
    pub fn warning(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Warning, detail)
    }

    /// A row for what keeps a run from working.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Failed, detail)
    }

    /// A row for what could not be tried.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(name, State::Skipped, why)
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What is tried.
pub struct Subject<'a> {
    /// The user's repository, opened to read.
    pub repo: &'a Repo,
    /// Its state folder, which may not exist yet.
    pub state: &'a StateDir,
    /// The machine.
    pub host: &'a Host,
    /// Where the host file was looked for.
    pub host_path: &'a Path,
    /// The program that is executed as keeper.
    pub keeper: PathBuf,
    /// Author of record commits.
    pub identity: Identity,
    /// The paused file of the whole machine.
    pub machine_paused: PathBuf,
    /// Time.
    pub clock: &'a dyn Clock,
}

/// Whether everything that a run needs is there.
pub fn is_ok(probes: &[Probe]) -> bool {
    probes.iter().all(|probe| probe.state != State::Failed)
}

/// Tries everything.
pub fn run(subject: &Subject<'_>) -> Vec<Probe> {
    let mut probes = vec![git(), origin::repository(subject), machine::host_file(subject)];
    probes.extend(machine::slot_users(subject.host));
    let (reachable, tip) = origin::reachable(subject);
    let known = known_commit(subject.repo, tip.ok().flatten());
    probes.push(reachable);
    probes.push(origin::push(subject, tip, known));
    probes.push(machine::state_folder(subject.state));
    probes.push(machine::lock(subject.state));
    probes.push(machine::journal(subject.state));
    probes.push(machine::clock(subject, known));
    let (rows, contract) = rules::contract(subject, known);
    probes.extend(rows);
    let grants = contract.as_ref().map(|contract| rules::grants(contract, subject.host)).unwrap_or_default();
    probes.push(machine::disk(subject.state, &grants));
    probes.extend(rules::secrets(&grants));
    probes.extend(rules::host_paths(&grants));
    probes.extend(cell::sandboxes(subject.host, &subject.keeper, &grants));
    probes.push(origin::identity(subject));
    probes.push(machine::paused(subject));
    probes.extend(inbox(subject.repo, known, contract.as_ref()));
    probes
}

/// The tip, or where the clone does not have that yet, the last one that it saw. A bare clone has branches of its own alone.
fn known_commit(repo: &Repo, tip: Option<Oid>) -> Option<Oid> {
    let own = || repo.resolve(&format!("refs/heads/{}", repo.branch())).ok();
    tip.filter(|tip| repo.has(*tip)).or_else(|| repo.known_tip()).or_else(own)
}

/// What can be tried where there is no usable repository, state folder or host file.
pub fn run_without_repository(keeper: &Path) -> Vec<Probe> {
    let host = Host { file: crate::policy::HostFile::default(), sha256: None, node: String::new(), jobs: 1 };
    let mut probes = vec![git()];
    probes.extend(cell::sandboxes(&host, keeper, &[]));
    probes
}

/// The oldest git that has all that is asked of it.
const GIT_OLDEST: (u32, u32) = (2, 30);

fn git() -> Probe {
    let help = "install git 2.30 or younger and see that it is in PATH";
    match Git::find().and_then(|git| git.version()) {
        Ok((major, minor)) if (major, minor) >= GIT_OLDEST => Probe::ok("git", format!("version {major}.{minor}")),
        Ok((major, minor)) => Probe::failed("git", format!("version {major}.{minor} is too old")).help(help),
        Err(error) => Probe::failed("git", error.to_string()).help(help),
    }
}

fn inbox(repo: &Repo, known: Option<Oid>, contract: Option<&Contract>) -> Option<Probe> {
    let (tip, contract) = known.zip(contract)?;
    let folder = &contract.config.inbox;
    Some(match crate::inbox::read(repo, tip, &contract.config) {
        Err(error) => Probe::failed("inbox", error.to_string()),
        Ok(read) if read.left_alone.is_empty() => {
            Probe::ok("inbox", format!("{} waiting in `{folder}/`", read.entries.len()))
        }
        Ok(read) => {
            let some: Vec<&str> = read.left_alone.iter().take(5).map(String::as_str).collect();
            let more = read.left_alone.len().saturating_sub(some.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Probe::warning("inbox", format!("left alone: {}{more}", some.join(", ")))
                .help("requests end in .yml or .yaml and lie at most one folder down")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_makes_it_not_ok() {
        let rows =
            |last: Probe| [Probe::ok("a", "fine"), Probe::warning("b", "look"), Probe::skipped("c", "nothing"), last];
        assert!(is_ok(&rows(Probe::ok("d", "fine"))));
        assert!(!is_ok(&rows(Probe::failed("d", "broken"))));
    }

    #[test]
    fn a_detail_is_one_line() {
        let probe = Probe::failed("a", "a.yml:1:1: error\n  |\n1 | x\n\n").help("mend it");
        assert_eq!(probe.detail, "a.yml:1:1: error · | · 1 | x");
        assert_eq!(serde_json::to_value(&probe).expect("plain data")["state"], "failed");
    }
}
