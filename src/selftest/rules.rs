//! Probes of what the repository says and the host grants: everything compiles, secrets have values, host paths are there.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Probe, Subject};
use crate::admit::Kind;
use crate::contract::source::{Commit, Folder};
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::host::{self, Host, MASKED_BYTES_MIN};
use crate::job::{Grant, SecretGrant};
use crate::repo::Oid;
use crate::{policy, request};

/// A kind that this host would run, with what it gets.
pub(super) struct Granted<'a> {
    pub kind: &'a Kind,
    pub grant: Grant,
}

/// Faults that are shown; the rest is counted.
const FAULTS_SHOWN: usize = 8;

/// Reads the contract of the tip, or of the work tree where there is no commit yet.
pub(super) fn contract(subject: &Subject<'_>, tip: Option<Oid>) -> (Vec<Probe>, Option<Contract>) {
    const NAME: &str = "contract";
    let mut compiled = Compiled::default();
    let top = subject.repo.checkout().work_tree.as_deref();
    let loaded = match (tip, top) {
        (Some(tip), _) => contract::load_from(&Commit::new(subject.repo, tip), &mut compiled),
        (None, Some(top)) => match Folder::open(top) {
            Ok(folder) => contract::load_from(&folder, &mut compiled),
            Err(error) => Err(error.into()),
        },
        (None, None) => return (vec![Probe::skipped(NAME, "there is no commit to read it from")], None),
    };
    match loaded {
        Ok(contract) => {
            let faults = contract.faults();
            let mut probes = fault_rows(NAME, &faults);
            if faults.is_empty() {
                let kinds = contract.rules.kinds.len();
                let schemas = contract.rules.kinds.values().flatten().filter(|kind| kind.schema.is_some()).count();
                let words = format!("index, schemas and handlers are sound; kinds: {kinds}, with a schema: {schemas}");
                probes.push(Probe::ok(NAME, words));
            }
            probes.extend(contract.warnings.iter().map(|warning| {
                let probe = Probe::warning(NAME, placed(warning));
                warning.help.iter().fold(probe, Probe::help)
            }));
            probes.extend(refusals(&contract, subject.host));
            (probes, Some(contract))
        }
        Err(ContractError::Faults(faults)) => (fault_rows(NAME, &faults), None),
        Err(ContractError::Repo(error)) => (vec![Probe::failed(NAME, error.to_string())], None),
    }
}

fn fault_rows(name: &str, faults: &[Diagnostic]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = faults
        .iter()
        .take(FAULTS_SHOWN)
        .map(|fault| {
            let help = fault.help.clone().or_else(|| fault.expected.as_ref().map(|words| format!("expected {words}")));
            Probe::failed(name, placed(fault))
                .help(help.unwrap_or_else(|| "`dispatch check` shows the place".to_owned()))
        })
        .collect();
    if faults.len() > FAULTS_SHOWN {
        let words = format!("and {} more", faults.len() - FAULTS_SHOWN);
        probes.push(Probe::failed(name, words).help("`dispatch check` shows all"));
    }
    probes
}

/// File, place and message, in one line.
fn placed(fault: &Diagnostic) -> String {
    let place = fault.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    format!("{}{place}: [{}] {}", fault.file, fault.code, fault.message)
}

/// What this host grants to the plainest request of each kind that can be run.
pub(super) fn grants<'a>(contract: &'a Contract, host: &Host) -> Vec<Granted<'a>> {
    let kinds = contract.rules.kinds.values().filter_map(|kind| kind.as_ref().ok());
    kinds.filter_map(|kind| Some(Granted { kind, grant: permit(kind, host)?.ok()? })).collect()
}

fn refusals(contract: &Contract, host: &Host) -> Vec<Probe> {
    let kinds = contract.rules.kinds.values().filter_map(|kind| kind.as_ref().ok());
    let refused = kinds.filter_map(|kind| permit(kind, host)?.err());
    refused
        .flatten()
        .map(|refusal| {
            let probe =
                Probe::warning("grants", format!("{}: its requests are rejected here", refusal.diagnostic.message));
            refusal.diagnostic.help.into_iter().fold(probe, Probe::help)
        })
        .collect()
}

fn permit(kind: &Kind, host: &Host) -> Option<Result<Grant, Vec<policy::Refusal>>> {
    let text = format!("kind: {}\n", serde_json::Value::from(kind.row.kind.as_str()));
    let envelope = request::parse("request.yml", text.as_bytes()).ok()?;
    Some(policy::permit(&kind.row, &envelope, &host.file))
}

/// Reads every granted secret and forgets it; no value is ever shown.
pub(super) fn secrets(grants: &[Granted<'_>]) -> Vec<Probe> {
    let wanted = |granted: &Granted<'_>| granted.grant.secrets.clone();
    let mut seen = BTreeSet::new();
    let secrets: Vec<SecretGrant> =
        grants.iter().flat_map(wanted).filter(|secret| seen.insert(secret.name.clone())).collect();
    if secrets.is_empty() {
        return vec![Probe::skipped("secrets", "no kind that is granted here asks for one")];
    }
    secrets.iter().map(secret).collect()
}

fn secret(grant: &SecretGrant) -> Probe {
    let name = format!("secret {}", grant.name);
    match host::resolve_secret(grant) {
        Err(error) => {
            let mut words = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                words = format!("{words}: {cause}");
            }
            Probe::failed(name, words)
                .help(format!("`secrets: {}` in the host file says where its value is read", grant.name))
        }
        Ok(secret) if !secret.is_maskable() => {
            Probe::warning(name, format!("is shorter than {MASKED_BYTES_MIN} bytes: it is not masked in output"))
                .help("use a longer secret")
        }
        Ok(_) => Probe::ok(name, "has a value"),
    }
}

/// Host paths that kinds are granted have to be there, or the sandbox cannot show them.
pub(super) fn host_paths(grants: &[Granted<'_>]) -> Option<Probe> {
    let paths: BTreeSet<(&str, &Path)> = grants
        .iter()
        .flat_map(|granted| {
            let paths = granted.grant.read.iter().chain(&granted.grant.write);
            paths.map(|path| (granted.kind.row.kind.as_str(), path.as_path()))
        })
        .collect();
    if paths.is_empty() {
        return None;
    }
    let missing: Vec<String> = paths
        .iter()
        .filter(|(_, path)| !path.exists())
        .map(|(kind, path)| format!("`{}` of kind `{kind}`", path.display()))
        .collect();
    Some(if missing.is_empty() {
        Probe::ok("host paths", format!("{} granted, all there", paths.len()))
    } else {
        Probe::failed("host paths", format!("not there: {}", missing.join(", ")))
            .help("make them, or take them out of the host file")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::SecretSource;
    use crate::selftest::State;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_tried_and_not_shown() {
        let temp = tempfile::tempdir().expect("temp folder");
        let file = temp.path().join("secret");
        let grant = SecretGrant { name: "TOKEN".into(), source: SecretSource::File(file.clone()) };
        assert_eq!(secret(&grant).state, State::Failed);
        for (value, state) in [("correct horse", State::Ok), ("horse", State::Warning), ("", State::Failed)] {
            fs::write(&file, value).expect("file");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
            let probe = secret(&grant);
            assert_eq!(probe.state, state, "{probe:?}");
            assert!(value.is_empty() || !format!("{probe:?}").contains(value));
        }
    }

    #[test]
    fn many_faults_are_counted() {
        let faults: Vec<Diagnostic> =
            (0..20).map(|number| Diagnostic::new("E0901", format!("f{number}"), "broken")).collect();
        let rows = fault_rows("contract", &faults);
        assert_eq!(rows.len(), FAULTS_SHOWN + 1);
        assert!(rows[FAULTS_SHOWN].detail.contains("12 more"));
        assert!(rows[0].detail.starts_with("f0: [E0901] broken"));
        assert!(fault_rows("contract", &[]).is_empty());
    }
}
