//! Probes of what the repository says and the host grants: everything compiles, secrets have values, host paths are there.

use super::Subject;
use crate::admit::Kind;
use crate::contract::source::{Commit, Folder};
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::host_check::{self, Asked};
use crate::job::Grant;
use crate::probe::Probe;
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
    let probes = host_check::secrets(grants.iter().flat_map(|granted| granted.grant.secrets.clone()));
    if probes.is_empty() {
        return vec![Probe::skipped("secrets", "no kind that is granted here asks for one")];
    }
    probes
}

/// Host paths that kinds ask for and are granted.
pub(super) fn host_paths(grants: &[Granted<'_>]) -> Vec<Asked> {
    let asked = |granted: &Granted<'_>| {
        let (kind, grant) = (granted.kind.row.kind.clone(), granted.grant.clone());
        let (level, keeps) = (grant.level, grant.keeps_files());
        let ask = move |path, writable| Asked { kind: kind.clone(), path, writable, level, keeps };
        let all =
            grant.read.into_iter().map(|path| (path, false)).chain(grant.write.into_iter().map(|path| (path, true)));
        all.map(|(path, writable)| ask(path, writable)).collect::<Vec<_>>()
    };
    grants.iter().flat_map(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
