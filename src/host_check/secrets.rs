//! Secrets: each is read from its source and forgotten; no value is ever shown.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::replaceable;
use crate::host::{self, MASKED_BYTES_MIN};
use crate::job::{SecretGrant, SecretSource};
use crate::probe::Probe;

pub(super) fn row(grant: &SecretGrant) -> Probe {
    let name = format!("secret {}", grant.name);
    let secret = match host::resolve_secret(grant) {
        Err(error) => {
            return Probe::failed(name, error.in_full()).help(what_to_do(grant));
        }
        Ok(secret) => secret,
    };
    if !secret.is_maskable() {
        return Probe::failed(name, format!("is shorter than {MASKED_BYTES_MIN} bytes: it cannot be masked in output"))
            .help("use a longer secret");
    }
    let Some(path) = file_of(&grant.source) else { return Probe::ok(name, "has a value") };
    match exposure(&path) {
        Some((why, help)) => Probe::failed(name, why).help(help),
        None => Probe::ok(name, format!("has a value, in `{}`", path.display())),
    }
}

fn what_to_do(grant: &SecretGrant) -> String {
    let name = &grant.name;
    match &grant.source {
        SecretSource::File(path) => format!(
            "write its value there, for root alone to read: install -m 600 /dev/stdin {}; or name another place at `secrets: {name}`",
            path.display()
        ),
        SecretSource::Credential(credential) => format!(
            "it is there only where systemd starts the dispatcher with LoadCredential={credential}:…; `secrets: {name}` names it"
        ),
        SecretSource::Env(variable) => {
            format!("give the dispatcher the variable {variable}, or keep the value in a file: `secrets: {name}`")
        }
    }
}

fn file_of(source: &SecretSource) -> Option<PathBuf> {
    match source {
        SecretSource::File(path) => Some(path.clone()),
        SecretSource::Credential(name) => Some(Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name)),
        SecretSource::Env(_) => None,
    }
}

/// Who else could read or replace it. That nobody else may write it was seen when it was read.
fn exposure(path: &Path) -> Option<(String, String)> {
    let meta = fs::metadata(path).ok()?;
    let shown = path.display();
    if meta.mode() & 0o007 != 0 {
        let words = format!("`{shown}` may be read by everybody (mode {:04o})", meta.mode() & 0o7777);
        return Some((
            words,
            format!("chmod 600 {shown}; whoever was on this machine may have read it: make a new one"),
        ));
    }
    replaceable(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::State;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_tried_and_not_shown() {
        let temp = tempfile::tempdir().expect("temp folder");
        let file = temp.path().join("secret");
        let grant = SecretGrant { name: "TOKEN".into(), source: SecretSource::File(file.clone()) };
        assert_eq!(row(&grant).state, State::Failed);
        for (value, mode, state) in [
            ("correct horse", 0o600, State::Ok),
            ("correct horse", 0o640, State::Ok),
            ("correct horse", 0o644, State::Failed),
            ("horse", 0o600, State::Failed),
            ("", 0o600, State::Failed),
        ] {
            fs::write(&file, value).expect("file");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("mode");
            let probe = row(&grant);
            assert_eq!(probe.state, state, "{probe:?}");
            assert!(value.is_empty() || !format!("{probe:?}").contains(value));
        }
    }

    #[test]
    fn each_source_says_what_to_do() {
        for (source, part) in [
            (SecretSource::File("/none/a".into()), "install -m 600"),
            (SecretSource::Credential("deploy-key".into()), "LoadCredential=deploy-key"),
            (SecretSource::Env("NO_SUCH_VARIABLE_HERE".into()), "NO_SUCH_VARIABLE_HERE"),
        ] {
            let probe = row(&SecretGrant { name: "TOKEN".into(), source });
            assert_eq!(probe.state, State::Failed);
            assert!(probe.help.as_deref().is_some_and(|help| help.contains(part)), "{probe:?}");
        }
    }
}
