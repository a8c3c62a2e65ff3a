//! What the service manager hears.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bench::{Bench, PATIENCE, Tested, is_gone, until};

#[test]
fn ready_after_the_first_look_and_status_says_how_it_goes() -> Tested {
    let bench = Bench::new(true)?;
    bench.request("slow", "first")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    let manager = &watch.manager;
    manager.until_status("running requests/first.yml; nothing published yet")?;
    let words = manager.words();
    let place = |start: &str| words.iter().position(|word| word.starts_with(start));
    assert!(place("READY=1") < place("STATUS=running"), "{words:?}");
    assert_eq!(manager.count("READY=1"), 1);
    bench.go("first")?;
    bench.recorded("first")?;
    for name in ["a", "b", "c"] {
        bench.request("slow", name)?;
    }
    manager.until_status("running requests/a.yml and 1 more; 1 waiting; last published 2")?;
    for name in ["a", "b", "c"] {
        bench.go(name)?;
    }
    manager.until_status("idle; last published 2")?;

    // A reload is a look, with the time that Type=notify-reload wants.
    watch.signal(Signal::SIGHUP)?;
    manager.until_said("READY=1", 2)?;
    let words = manager.words();
    let reloading = words.iter().position(|word| word == "RELOADING=1").expect("a reload was announced");
    assert!(words[reloading + 1].starts_with("MONOTONIC_USEC="), "{words:?}");
    assert!(words[reloading..].iter().any(|word| word == "READY=1"), "{words:?}");

    watch.signal(Signal::SIGTERM)?;
    watch.manager.until_said("STOPPING=1", 1)?;
    assert_eq!(watch.ended()?.code(), Some(0));
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn ready_without_a_remote_that_answers_and_everything_stays_true() -> Tested {
    let bench = Bench::new(true)?;
    fs::rename(bench.world.path("origin.git"), bench.world.path("away.git"))?;
    let mut watch = bench.watch(&["--interval", "1s"])?;
    watch.manager.until_said("READY=1", 1)?;
    watch.manager.until_status("the remote cannot be reached")?;
    let heartbeat = || bench.metric("codex_dispatch_heartbeat_timestamp_seconds").unwrap_or_default();
    until("a first heartbeat", || heartbeat() > 0.0)?;
    let first = heartbeat();
    // Looks may be further apart than the interval; signs of life are not.
    until("one more heartbeat", || heartbeat() > first)?;
    let standing = bench.standing();
    assert!(standing["obstacle"].as_str().is_some_and(|words| words.contains("cannot be reached")), "{standing}");
    assert_eq!(bench.metric("codex_dispatch_last_fetch_success_timestamp_seconds"), Some(0.0));
    assert!(
        bench.log().matches("WARN fetching branch `main`").count() == 1,
        "said once, not at every look: {}",
        bench.log()
    );

    fs::rename(bench.world.path("away.git"), bench.world.path("origin.git"))?;
    watch.look()?;
    watch.manager.until_status("idle; nothing published yet")?;
    until("no obstacle", || bench.standing()["obstacle"].is_null())?;
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

/// A transport that takes the connection and says nothing.
fn silent_transport(bench: &Bench) -> std::io::Result<String> {
    let script = bench.world.path("bin/silent");
    let began = bench.meet("silent");
    fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", began.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    bench.world.must("git remote set-url origin ssh://nobody@host.invalid/x.git")?;
    Ok(script.display().to_string())
}

#[test]
fn a_fetch_that_hangs_trips_no_watchdog_and_delays_no_end() -> Tested {
    let bench = Bench::new(true)?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("GIT_SSH_COMMAND", silent_transport(&bench)?).env("WATCHDOG_USEC", "1000000");
    let mut watch = bench.watch_as(command, &[])?;
    let hangs = bench.meet("silent");
    until("a fetch", || fs::read_to_string(&hangs).is_ok_and(|text| text.ends_with('\n')))?;
    let before = watch.manager.count("WATCHDOG=1");
    watch.manager.until_said("WATCHDOG=1", before + 4)?;
    assert_eq!(watch.manager.count("READY=1"), 0, "the first look is not over");
    assert!(watch.manager.count("EXTEND_TIMEOUT_USEC=") > 0, "more time for the start was asked for");
    watch.stop()?;
    assert!(is_gone(&hangs)?, "the transport is still there");
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_conductor_that_is_stuck_gives_no_sign_of_life() -> Tested {
    let bench = Bench::new(true)?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("WATCHDOG_USEC", "400000");
    let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
    watch.manager.until_said("READY=1", 1)?;
    watch.manager.until_said("WATCHDOG=1", 3)?;

    // Somebody else holds the journal, so that writing a step has to wait.
    let journal = rusqlite::Connection::open(bench.state().join("journal.db"))?;
    journal.execute_batch("BEGIN IMMEDIATE")?;
    bench.request("quick", "a")?;
    // Ten signs are missing. The journal is waited for no longer than ten seconds.
    let deadline = Instant::now() + PATIENCE;
    let silent = loop {
        let before = watch.manager.count("WATCHDOG=1");
        let began = Instant::now();
        while watch.manager.count("WATCHDOG=1") == before && began.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if watch.manager.count("WATCHDOG=1") == before || Instant::now() > deadline {
            break watch.manager.count("WATCHDOG=1") == before;
        }
    };
    journal.execute_batch("ROLLBACK")?;
    assert!(silent, "it gave signs of life all the while");
    bench.recorded("a")?;
    let before = watch.manager.count("WATCHDOG=1");
    watch.manager.until_said("WATCHDOG=1", before + 2)?;
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_watchdog_of_another_process_is_none_of_ours() -> Tested {
    let bench = Bench::new(true)?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("WATCHDOG_USEC", "10000").env("WATCHDOG_PID", "1");
    let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
    watch.manager.until_said("READY=1", 1)?;
    for _ in 0..5 {
        watch.look()?;
    }
    assert_eq!(watch.manager.count("WATCHDOG=1"), 0);
    watch.stop()?;
    drop(watch);
    for (name, value, has) in
        [("NOTIFY_SOCKET", "relative", "NOTIFY_SOCKET"), ("WATCHDOG_USEC", "soon", "WATCHDOG_USEC")]
    {
        let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
        let out = command.arg("watch").env("NOTIFY_SOCKET", "@nobody").env(name, value).output()?;
        assert_eq!(out.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&out.stderr).contains(has), "{out:?}");
    }
    Ok(bench.close()?)
}

#[test]
fn neither_handlers_nor_git_hear_of_the_service_manager() -> Tested {
    let bench = Bench::new(true)?;
    let real = bench.world.must("PATH=${PATH#*:} command -v git")?;
    let spy = bench.world.path("bin/git");
    let seen = bench.meet("git-environments");
    fs::write(&spy, format!("#!/bin/sh\nenv >> {}\nexec {} \"$@\"\n", seen.display(), real.trim()))?;
    fs::set_permissions(&spy, fs::Permissions::from_mode(0o755))?;
    bench.request("quick", "a")?;
    bench.request("walled", "b")?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("WATCHDOG_USEC", "60000000").env("WATCHDOG_PID", "").env("LISTEN_FDS", "0");
    let mut watch = bench.watch_as(command, &[])?;
    for name in ["a", "b"] {
        assert!(bench.recorded(name)?.contains("outcome: succeeded"));
        let printed = bench.world.git("origin.git", &["show", &format!("main:logs/{name}/handler.log")])?;
        let printed = String::from_utf8(printed.stdout)?;
        assert!(printed.contains("DISPATCH_ID=") && !printed.contains("NOTIFY_SOCKET"), "{printed}");
        assert!(!printed.contains("WATCHDOG") && !printed.contains("LISTEN"), "{printed}");
    }
    let seen = fs::read_to_string(seen)?;
    assert!(seen.contains("GIT_TERMINAL_PROMPT=0"), "git was called through the spy");
    // What the test itself calls runs through it too, and knows nothing of a manager either.
    assert!(!seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG"), "{seen}");
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}
