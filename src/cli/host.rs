//! `dispatch host check`: whether what the host file says can work on this machine. Works without a repository; with one it looks
//! the kinds up that are named.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::{Exit, Failure};
use super::home::chain;
use super::{PlaceArgs, render};
use crate::contract::source::{Commit, Folder};
use crate::contract::{self, Compiled, Contract};
use crate::diagnostic::Diagnostic;
use crate::dispatch::{kind_uids, own_program};
use crate::host::{self, Host, HostError};
use crate::host_check::{self, Subject};
use crate::host_file;
use crate::journal::Journal;
use crate::probe::{self, Probe};
use crate::repo::{Checkout, Repo, Settings};
use crate::statedir::StateDir;

/// Arguments of `host`.
#[derive(Debug, Args)]
pub struct HostArgs {
    #[command(subcommand)]
    verb: HostVerb,
}

#[derive(Debug, Subcommand)]
enum HostVerb {
    /// Try what the host file says: users, paths, secrets, layers, limits (exit 78 where something of it cannot work)
    Check(CheckArgs),
}

/// Arguments of `host check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch host check                          the machine's own file, as the user who runs it\n  \
    dispatch host check --host deploy/host.yaml  one that is not in force yet\n  \
    dispatch -C /srv/inbox host check --json     with the kinds of that repository\n\n\
    Run it as the user who runs the dispatcher: each granted path is tried with the user that would use it.\n\
    Exit codes: 0 all of it can work, 78 the file is wrong or grants what cannot work"
)]
struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Found {
    checks: Vec<Probe>,
    faults: Vec<Diagnostic>,
    sha256: Option<String>,
}

/// Answers `host`.
#[expect(clippy::unnecessary_wraps, reason = "every verb answers so")]
pub fn answer(place: &PlaceArgs, args: &HostArgs) -> Result<Exit, Failure> {
    let HostVerb::Check(args) = &args.verb;
    let path = place.host.as_deref().unwrap_or(Path::new(host_file::PATH));
    let found = match host::load(place.host.as_deref()) {
        Ok(host) => Found { checks: check(place, path, &host), faults: Vec::new(), sha256: host.sha256 },
        Err(error) => unusable(path, error),
    };
    let ok = probe::is_ok(&found.checks);
    let Found { checks, faults, sha256 } = &found;
    if args.json {
        let file = path.to_string_lossy();
        render::print_json(
            &json!({ "v": 1, "ok": ok, "file": file, "sha256": sha256, "checks": checks, "faults": faults }),
        );
    } else {
        for fault in faults {
            render::say(fault.to_string());
        }
        render::print_probes("CHECK", checks);
        let failed = checks.iter().filter(|probe| probe.state == probe::State::Failed).count();
        render::say(match failed {
            0 => "everything that the host file says can work here".to_owned(),
            1 => "one check failed".to_owned(),
            more => format!("{more} checks failed"),
        });
    }
    Ok(if ok { Exit::Done } else { Exit::Configuration })
}

/// A file that cannot be obeyed: a row for each fault, its place in front.
fn unusable(path: &Path, error: HostError) -> Found {
    const NAME: &str = "host file";
    let mut checks = match &error {
        HostError::Faults(faults) => faults.iter().map(|fault| probe_of(NAME, fault)).collect(),
        HostError::Untrusted { .. } => vec![
            Probe::failed(NAME, chain(&error))
                .help(format!("chown root {0}; chmod 644 {0}: whoever can write it owns the machine", path.display())),
        ],
        _ => vec![
            Probe::failed(NAME, chain(&error))
                .help("name another with --host, or leave --host and DISPATCH_HOST out: the defaults are safe"),
        ],
    };
    checks.push(Probe::skipped("everything else", "needs the host file"));
    let faults = if let HostError::Faults(faults) = error { faults } else { Vec::new() };
    Found { checks, faults, sha256: None }
}

fn probe_of(name: &str, fault: &Diagnostic) -> Probe {
    let place = fault.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    let probe = Probe::failed(name, format!("{}{place}: [{}] {}", fault.file, fault.code, fault.message));
    let help = fault.help.clone().or_else(|| fault.expected.as_ref().map(|words| format!("expected {words}")));
    help.into_iter().fold(probe, Probe::help)
}

fn check(place: &PlaceArgs, path: &Path, host: &Host) -> Vec<Probe> {
    let keeper = own_program();
    let checkout = Checkout::discover(&place.repo).ok();
    let branch = host.file.repository.branch.as_deref().unwrap_or("main");
    let repo = checkout.as_ref().and_then(|found| Repo::open_to_read(found.clone(), None, Settings::new(branch)).ok());
    let contract = repo.as_ref().and_then(contract_of);
    let has = |branch: &str| {
        let names = [format!("refs/heads/{branch}"), format!("refs/remotes/origin/{branch}")];
        repo.as_ref().is_some_and(|repo| names.iter().any(|name| repo.resolve(name).is_ok()))
    };
    host_check::run(&Subject {
        host,
        path,
        keeper: &keeper,
        kind_uids: checkout.as_ref().and_then(|checkout| known_uids(place, checkout)),
        contract: contract.as_ref(),
        has_branch: if repo.is_some() { Some(&has) } else { None },
    })
}

/// What the work tree says, else the mainline as far as it is known; none where that has faults, which `check` tells.
fn contract_of(repo: &Repo) -> Option<Contract> {
    let mut compiled = Compiled::default();
    let folder = repo.checkout().work_tree.as_deref().and_then(|top| Folder::open(top).ok());
    let tree = folder.and_then(|folder| contract::load_from(&folder, &mut compiled).ok());
    tree.or_else(|| contract::load_from(&Commit::new(repo, repo.known_tip()?), &mut compiled).ok())
}

fn known_uids(place: &PlaceArgs, checkout: &Checkout) -> Option<std::collections::BTreeMap<String, u32>> {
    let by_systemd = std::env::var_os("STATE_DIRECTORY").filter(|value| !value.is_empty()).map(Into::into);
    let asked: Option<std::path::PathBuf> = place.state.clone().or(by_systemd);
    let state = StateDir::locate(&checkout.common_dir, asked.as_deref()).ok()?;
    kind_uids(&Journal::open_to_read(state.root()).ok()??).ok()
}
