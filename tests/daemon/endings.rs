//! How it comes to an end: drained, cut off, and with a remote that does not answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::bench::{Bench, Tested, is_gone, until};

#[test]
fn what_runs_is_waited_for_and_nothing_new_is_taken() -> Tested {
    let bench = Bench::new(true)?;
    bench.request("slow", "a")?;
    let mut watch = bench.watch(&["--interval", "100ms"])?;
    bench.began("a")?;
    watch.signal(Signal::SIGTERM)?;
    watch.manager.until_said("STOPPING=1", 1)?;
    watch.manager.until_status("stopping; running requests/a.yml")?;
    assert!(watch.manager.count("EXTEND_TIMEOUT_USEC=") > 0);
    bench.request("quick", "b")?;
    // A look is asked for, and would take it.
    watch.signal(Signal::SIGHUP)?;
    bench.go("a")?;
    assert_eq!(watch.ended()?.code(), Some(0));
    assert!(bench.record("a")?.contains("outcome: succeeded"), "what it had was published: {}", bench.record("a")?);
    assert_eq!(bench.record("b")?, "");
    drop(watch);
    bench.world.must("dispatch run")?;
    assert!(bench.record("b")?.contains("outcome: succeeded"));
    assert_eq!(bench.begins("a"), 1);
    Ok(bench.close()?)
}

#[test]
fn what_outlasts_the_drain_is_ended_and_published() -> Tested {
    let bench = Bench::new(true)?;
    bench.host("drain: 100ms\n")?;
    bench.request("slow", "once")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    bench.began("once")?;
    watch.stop()?;
    let record = bench.record("once")?;
    assert!(record.contains("outcome: killed") && record.contains("reason: shutdown"), "{record}");
    drop(watch);
    // What may be tried again is, by the next dispatcher.
    bench.request("again", "twice")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    bench.began("twice")?;
    watch.stop()?;
    assert_eq!(bench.record("twice")?, "");
    drop(watch);
    bench.go("twice")?;
    bench.world.must("dispatch run")?;
    let record = bench.record("twice")?;
    assert!(record.contains("outcome: succeeded") && record.contains("reason: shutdown"), "{record}");
    assert_eq!((bench.begins("once"), bench.begins("twice")), (1, 2));
    Ok(bench.close()?)
}

#[test]
fn an_idle_one_ends_at_once() -> Tested {
    let bench = Bench::new(true)?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    watch.manager.until_status("idle")?;
    watch.look()?;
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_push_that_hangs_is_not_waited_for_when_told_twice() -> Tested {
    let bench = Bench::new(true)?;
    bench.request("slow", "a")?;
    bench.go("a")?;
    let hook = bench.world.path("origin.git/hooks/pre-receive");
    let hangs = bench.meet("hangs");
    fs::write(&hook, format!("#!/bin/sh\necho $$ > {}\nexec sleep 1000\n", hangs.display()))?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    until("a push", || fs::read_to_string(&hangs).is_ok_and(|text| text.ends_with('\n')))?;
    watch.signal(Signal::SIGTERM)?;
    watch.manager.until_said("STOPPING=1", 1)?;
    watch.manager.until_status("stopping; 1 not published yet")?;
    watch.signal(Signal::SIGTERM)?;
    assert_eq!(watch.ended()?.code(), Some(0));
    assert!(is_gone(&hangs)?, "the push is still there");
    drop(watch);
    fs::remove_file(&hook)?;
    bench.world.must("dispatch run")?;
    assert!(bench.record("a")?.contains("outcome: succeeded"));
    assert_eq!(bench.begins("a"), 1, "a handler is never run again because a push failed");
    Ok(bench.close()?)
}

#[test]
fn told_a_third_time_it_waits_for_no_grace() -> Tested {
    let bench = Bench::new(true)?;
    let handler = "#!/bin/sh\ntrap '' TERM\ntouch [MEET]/began-deaf\nwhile :; do sleep 1000; done\n";
    let handler = handler.replace("[MEET]", &bench.world.path("meet").display().to_string());
    let index = "deaf: {run: handlers/deaf.sh, grace: 10m, timeout: 30m, sandbox: {level: none}}\n";
    bench.merge(&[("handlers/deaf.sh", &handler), ("handlers/index.yml", index)])?;
    bench.request("deaf", "deaf")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    bench.began("deaf")?;
    for times in 1..=3 {
        watch.signal(Signal::SIGTERM)?;
        // Equal signals that come together are one.
        until("one more word of it", || bench.log().matches("told to stop").count() == times)?;
    }
    assert_eq!(watch.ended()?.code(), Some(0));
    drop(watch);
    bench.world.must("dispatch run")?;
    assert!(bench.record("deaf")?.contains("outcome: killed"), "{}", bench.record("deaf")?);
    Ok(bench.close()?)
}
