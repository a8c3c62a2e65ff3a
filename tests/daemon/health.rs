//! What `dispatch health` says of a dispatcher that watches, and of one whose remote is away or does not answer.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::bench::{Bench, Tested, until};

/// Whether it is healthy, and the names of what has stalled.
fn health(bench: &Bench, arguments: &str) -> io::Result<(bool, Vec<String>)> {
    let ended = bench.world.shell(&format!("dispatch health --json {arguments}"))?;
    let said: serde_json::Value = serde_json::from_str(&ended.stdout)?;
    let checks = said["checks"].as_array().cloned().unwrap_or_default();
    let stalled = checks.iter().filter(|check| check["ok"] == false).filter_map(|check| check["name"].as_str());
    let healthy = said["healthy"] == true;
    assert_eq!(ended.exit, Some(if healthy { 0 } else { 69 }), "{said}");
    Ok((healthy, stalled.map(str::to_owned).collect()))
}

#[test]
fn a_remote_that_is_away_is_told_from_a_process_that_is() -> Tested {
    let bench = Bench::new(true)?;
    let mut watch = bench.watch(&["--interval", "100ms"])?;
    watch.manager.until_status("idle")?;
    assert_eq!(health(&bench, "--max-age 1m")?, (true, vec![]));
    fs::rename(bench.world.path("origin.git"), bench.world.path("away.git"))?;
    until("a stall", || health(&bench, "--max-age 1s").is_ok_and(|(_, stalled)| stalled == ["fetching"]))?;
    assert_eq!(health(&bench, "--max-age 1m --live")?, (true, vec![]));
    until("not ready", || health(&bench, "--max-age 1s --ready").is_ok_and(|(_, stalled)| stalled == ["fetching"]))?;
    fs::rename(bench.world.path("away.git"), bench.world.path("origin.git"))?;
    watch.look()?;
    until("a good end", || health(&bench, "--max-age 1m").is_ok_and(|(healthy, _)| healthy))?;

    // Stopped in its tracks it gives no sign any more.
    watch.signal(Signal::SIGSTOP)?;
    until("no sign of life", || {
        health(&bench, "--max-age 2s --live").is_ok_and(|(_, stalled)| stalled == ["heartbeat"])
    })?;
    watch.signal(Signal::SIGCONT)?;
    until("a sign of life", || health(&bench, "--max-age 1m --live").is_ok_and(|(healthy, _)| healthy))?;
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_fetch_that_hangs_is_no_death() -> Tested {
    let bench = Bench::new(true)?;
    let script = bench.world.path("bin/silent");
    let began = bench.meet("silent");
    fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", began.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    bench.world.must("git remote set-url origin ssh://nobody@host.invalid/x.git")?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("GIT_SSH_COMMAND", &script);
    let mut watch = bench.watch_as(command, &["--interval", "100ms"])?;
    until("a fetch", || fs::read_to_string(&began).is_ok_and(|text| text.ends_with('\n')))?;
    let signs = || fs::metadata(bench.state().join("alive")).and_then(|file| file.modified());
    let first = signs()?;
    until("one more sign of life", || signs().is_ok_and(|sign| sign > first))?;
    assert_eq!(health(&bench, "--max-age 1m --live")?, (true, vec![]));
    assert_eq!(health(&bench, "--max-age 1m --ready")?.1, ["fetching"], "main was never read");
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_job_past_its_deadline_is_found() -> Tested {
    let bench = Bench::new(true)?;
    let mut watch = bench.watch(&["--interval", "100ms"])?;
    bench.request("slow", "a")?;
    bench.began("a")?;
    let told = || bench.standing()["may_take_ms"].as_object().is_some_and(|all| all.values().any(|ms| *ms == 610_000));
    until("how long it may take", told)?;
    assert_eq!(health(&bench, "--max-age 1m")?, (true, vec![]));
    // A dispatcher that is stopped in its tracks with a job of a tenth of a second behind it.
    watch.signal(Signal::SIGSTOP)?;
    let path = bench.state().join("status.json");
    fs::write(&path, fs::read_to_string(&path)?.replace("610000", "100"))?;
    let late = || health(&bench, "--max-age 100ms").is_ok_and(|(_, stalled)| stalled.contains(&"running".to_owned()));
    until("a stall", late)?;
    assert!(!health(&bench, "--max-age 1h")?.1.contains(&"running".to_owned()));
    watch.signal(Signal::SIGCONT)?;
    bench.go("a")?;
    bench.recorded("a")?;
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}
