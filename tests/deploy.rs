//! What lies in `deploy/` is understood by who is to read it: systemd, Prometheus, Kubernetes and builders of images. What
//! a tool has to judge is skipped with words where the tool is not there; what we know ourselves is always looked at.

#[path = "deploy/alerts.rs"]
mod alerts;
#[path = "deploy/containers.rs"]
mod containers;
#[path = "deploy/package.rs"]
mod package;
#[path = "deploy/units.rs"]
mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// The top of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a tool is here; says so where it is not.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: there is no {tool} here");
    }
    found
}

/// How a command ended and all that it said.
fn said(folder: &Path, program: &str, arguments: &[&str]) -> std::io::Result<(bool, String)> {
    let out = Command::new(program).args(arguments).current_dir(folder).output()?;
    let words = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok((out.status.success(), words))
}
