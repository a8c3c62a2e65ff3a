//! The release archive: everything is in it, and it comes out the same twice.

use std::process::Command;

use crate::{Tested, root};

#[test]
fn an_archive_is_whole_and_the_same_twice() -> Tested {
    let temp = tempfile::tempdir()?;
    // Debug information is most of it, and nobody's here.
    let program = temp.path().join("dispatch");
    std::fs::copy(env!("CARGO_BIN_EXE_dispatch"), &program)?;
    let _ = Command::new("strip").arg(&program).status();
    let out = Command::new(root().join("scripts/package.sh"))
        .arg("--check")
        .env("DISPATCH_PROGRAM", &program)
        .env("TMPDIR", temp.path())
        .output()?;
    let listed = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for file in [
        "bin/dispatch",
        "man/man1/dispatch.1",
        "man/man1/dispatch-health.1",
        "completions/dispatch.bash",
        "completions/dispatch.zsh",
        "completions/dispatch.fish",
        "deploy/dispatch.service",
        "deploy/kubernetes/deployment.yaml",
        "docs/operating.md",
        "schemas/dispatch/request.schema.json",
        "LICENSE",
        "SHA256SUMS",
    ] {
        assert!(listed.lines().any(|line| line.ends_with(&format!("/{file}"))), "no {file} in\n{listed}");
    }
    let usage = Command::new(root().join("scripts/package.sh")).arg("--what").output()?;
    assert_eq!(usage.status.code(), Some(2));
    let left = std::fs::read_dir(temp.path())?.count();
    assert_eq!(left, 1, "something was left behind");
    Ok(())
}
