//! The units: systemd understands each, and leaves them no more than docs/service.md says.

use std::fs;
use std::path::Path;

use crate::{Tested, has, root, said, text};

const UNITS: [&str; 4] = ["dispatch.service", "dispatch@.service", "dispatch-run.service", "dispatch-run.timer"];
const DROP_IN: &str = "dispatch.service.d/confined.conf";

/// Puts the units into a folder, with a program that there is.
fn lay_out(folder: &Path, change: impl Fn(&str) -> String) -> std::io::Result<()> {
    for unit in UNITS {
        let text =
            change(&text(&format!("deploy/{unit}"))).replace("/usr/local/bin/dispatch", env!("CARGO_BIN_EXE_dispatch"));
        fs::write(folder.join(unit.replace("@.", "@site.")), text)?;
    }
    Ok(())
}

fn add_drop_in(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("dispatch.service.d"))?;
    fs::write(folder.join(DROP_IN), text(&format!("deploy/{DROP_IN}")))
}

#[test]
fn systemd_understands_each_unit() -> Tested {
    if !has("systemd-analyze") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let verify = || -> std::io::Result<Vec<String>> {
        let units = UNITS.map(|unit| format!("./{}", unit.replace("@.", "@site.")));
        let arguments: Vec<&str> = ["verify", "--man=no"].into_iter().chain(units.iter().map(String::as_str)).collect();
        let (_, words) = said(folder.path(), "systemd-analyze", &arguments)?;
        // A wrong key is only warned of; what it says of the machine's own units is not ours.
        Ok(words.lines().filter(|line| line.contains("dispatch")).map(str::to_owned).collect())
    };
    lay_out(folder.path(), str::to_owned)?;
    assert_eq!(verify()?, Vec::<String>::new());
    add_drop_in(folder.path())?;
    assert_eq!(verify()?, Vec::<String>::new());
    lay_out(folder.path(), |text| text.replace("OnUnitInactiveSec", "OnUnitInactivSec"))?;
    assert_ne!(verify()?, Vec::<String>::new(), "a fault is found");
    Ok(())
}

#[test]
fn they_leave_the_service_no_more_than_the_page_says() -> Tested {
    if !has("systemd-analyze") {
        return Ok(());
    }
    let page = text("docs/service.md");
    let folder = tempfile::tempdir()?;
    lay_out(folder.path(), str::to_owned)?;
    for (unit, drop_in) in [
        ("dispatch.service", false),
        ("dispatch@site.service", false),
        ("dispatch-run.service", false),
        ("dispatch.service", true),
    ] {
        if drop_in {
            add_drop_in(folder.path())?;
        }
        let row = if drop_in { "with `confined.conf`".to_owned() } else { format!("`{}`", unit.replace("site", "")) };
        let line = page.lines().find(|line| line.starts_with(&format!("| {row} |"))).expect(&row);
        let score: f64 = line.split('|').nth(2).and_then(|cell| cell.trim().parse().ok()).expect("a score");
        // The threshold is in tenths. Other versions of systemd weigh a little otherwise.
        let most = format!("--threshold={:.0}", score * 10.0 + 5.0);
        let arguments = ["security", "--offline=yes", "--no-pager", &most, &format!("./{unit}")];
        let (ok, words) = said(folder.path(), "systemd-analyze", &arguments)?;
        assert!(ok, "{unit} is worse than {score}: {}", words.lines().last().unwrap_or_default());
    }
    Ok(())
}

/// The reasons stand in one of them: the others must not drift away.
#[test]
fn they_are_hardened_alike() {
    let hardening = |unit: &str| {
        let text = text(&format!("deploy/{unit}"));
        let keys = ["NoNewPrivileges", "CapabilityBoundingSet", "LockPersonality", "Restrict", "SystemCall"];
        let lines = text.lines().filter(|line| keys.iter().any(|key| line.starts_with(key)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = hardening("dispatch.service");
    assert!(first.len() >= 7, "{first:?}");
    for unit in ["dispatch@.service", "dispatch-run.service"] {
        assert_eq!(hardening(unit), first, "{unit}");
    }
    assert!(root().join("deploy/dispatch-run.timer").exists());
}
