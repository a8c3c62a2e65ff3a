//! The unit that comes along is one that systemd understands, and its times fit ours.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use codex_dispatch::host_file::HostFile;
use codex_dispatch::job::Row;
use codex_dispatch::units::parse_duration;

use crate::bench::Tested;

fn unit() -> std::io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/dispatch.service"))
}

#[test]
fn systemd_understands_the_unit() -> Tested {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze here");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let verify = |text: &str| -> std::io::Result<String> {
        let file = folder.path().join("dispatch.service");
        // What it starts has to be there.
        fs::write(&file, text.replace("/usr/local/bin/dispatch", env!("CARGO_BIN_EXE_dispatch")))?;
        let out = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output()?;
        // A wrong key is only warned of.
        Ok(format!("{}{}", if out.status.success() { "" } else { "failed\n" }, String::from_utf8_lossy(&out.stderr)))
    };
    let text = unit()?;
    let ours =
        |said: &str| said.lines().filter(|line| line.contains("dispatch")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(ours(&verify(&text)?), Vec::<String>::new());
    assert_ne!(ours(&verify(&text.replace("KillMode", "KilMode"))?), Vec::<String>::new(), "a fault is found");
    Ok(())
}

#[test]
fn its_times_leave_room_for_an_end_in_order() -> Tested {
    let text = unit()?;
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.map(|words| parse_duration(&words.replace("min", "m")).expect("a span")).expect(key)
    };
    let drain = HostFile::default().drain;
    let last_publication = Duration::from_secs(30);
    assert!(value("TimeoutStopSec") > drain + Row::GRACE + last_publication);
    // A probe of a level may wait for a minute; a journal that somebody else holds, for ten seconds.
    assert!(value("WatchdogSec") > Duration::from_mins(2));
    Ok(())
}
