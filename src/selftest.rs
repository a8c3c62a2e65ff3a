//! The self-test: what a run would need, tried for real and told as rows. Changes nothing: no state folder is made, nothing is written
//! to the journal, nothing is pushed; the sandbox is tried on a temporary folder that is removed.

mod cell;
mod escape;
mod machine;
mod origin;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use escape::Escape;

use crate::clock::Clock;
use crate::contract::Contract;
use crate::host::Host;
use crate::journal::Journal;
use crate::probe::Probe;
use crate::repo::{Git, Identity, Oid, Repo};
use crate::statedir::StateDir;
use crate::{dispatch, host_check};

/// What the self-test found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// A row for everything that a run needs.
    pub probes: Vec<Probe>,
    /// What handlers tried against the layers, and what came of it.
    pub escapes: Vec<Escape>,
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

/// Tries everything.
pub fn run(subject: &Subject<'_>) -> Findings {
    let (host, keeper) = (subject.host, subject.keeper.as_path());
    let mut probes = vec![git(), origin::repository(subject)];
    probes.extend(host_check::file(host, subject.host_path));
    probes.push(host_check::slot_users(host));
    let (reachable, tip) = origin::reachable(subject);
    let known = known_commit(subject.repo, tip.ok().flatten());
    probes.push(reachable);
    probes.push(origin::push(subject, tip, known));
    probes.extend(origin::adoption(subject));
    probes.push(machine::state_folder(subject.state));
    probes.push(machine::lock(subject.state));
    probes.push(machine::journal(subject.state));
    probes.push(machine::clock(subject, known));
    let (rows, contract) = rules::contract(subject, known);
    probes.extend(rows);
    let grants = contract.as_ref().map(|contract| rules::grants(contract, host)).unwrap_or_default();
    probes.push(machine::disk(subject.state, &grants));
    probes.extend(rules::secrets(&grants));
    let users = host_check::Known { host, kind_uids: kind_uids(subject.state) };
    probes.extend(host_check::paths(&users, keeper, &rules::host_paths(&grants)));
    let set = cell::Set { keeper, required: &host.file.levels.require, uid: free_uid(&users) };
    let (rows, escapes) = cell::sandboxes(&set, &grants);
    probes.extend(rows);
    probes.push(origin::identity(subject));
    probes.push(machine::paused(subject));
    probes.extend(inbox(subject.repo, known, contract.as_ref()));
    Findings { probes, escapes }
}

/// The uids that kinds have, where something has run.
fn kind_uids(state: &StateDir) -> Option<BTreeMap<String, u32>> {
    let journal = Journal::open_to_read(state.root()).ok()??;
    dispatch::kind_uids(&journal).ok()
}

/// As root a uid of the slots' range that neither slots nor kinds have; its last where there is none.
pub fn free_uid(known: &host_check::Known<'_>) -> Option<u32> {
    let (uids, none) = (known.host.file.uids, BTreeMap::new());
    // No kind has such a name, so that nobody has its uid.
    let free = uids.of_kind("", known.host.jobs, known.kind_uids.as_ref().unwrap_or(&none));
    rustix::process::geteuid().is_root().then(|| free.unwrap_or(uids.last))
}

/// The tip, or where the clone does not have that yet, the last one that it saw. A bare clone has branches of its own alone.
fn known_commit(repo: &Repo, tip: Option<Oid>) -> Option<Oid> {
    let own = || repo.resolve(&format!("refs/heads/{}", repo.branch())).ok();
    tip.filter(|tip| repo.has(*tip)).or_else(|| repo.known_tip()).or_else(own)
}

/// What can be tried where there is no usable repository, state folder or host file.
pub fn run_without_repository(keeper: &Path) -> Findings {
    let host = Host { file: crate::policy::HostFile::default(), sha256: None, node: String::new(), jobs: 1 };
    let mut probes = vec![git()];
    let known = host_check::Known { host: &host, kind_uids: None };
    let (rows, escapes) = cell::sandboxes(&cell::Set { keeper, required: &[], uid: free_uid(&known) }, &[]);
    probes.extend(rows);
    Findings { probes, escapes }
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
