//! The program's file is replaced or removed while it works.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::bench::{Bench, Tested, Watch};

/// A copy of the program that may be replaced.
fn install(bench: &Bench) -> io::Result<PathBuf> {
    let place = bench.world.path("bin/installed");
    replace(&place)?;
    Ok(place)
}

/// As a package manager does it: a new file, renamed into the old one's place.
fn replace(place: &Path) -> io::Result<()> {
    let draft = place.with_extension("new");
    fs::copy(env!("CARGO_BIN_EXE_dispatch"), &draft)?;
    fs::rename(draft, place)
}

fn watch(bench: &Bench, program: &Path) -> io::Result<Watch> {
    bench.watch_as(bench.command(&program.display().to_string()), &["--interval", "1h"])
}

#[test]
fn a_program_that_is_replaced_or_removed_goes_on() -> Tested {
    let bench = Bench::new(true)?;
    let program = install(&bench)?;
    let mut old = watch(&bench, &program)?;
    bench.request("slow", "before")?;
    bench.began("before")?;
    replace(&program)?;
    bench.go("before")?;
    assert!(bench.recorded("before")?.contains("outcome: succeeded"));
    fs::remove_file(&program)?;
    // The first that needs keepers for its level: they are this program, once more.
    bench.request("walled", "after")?;
    assert!(bench.recorded("after")?.contains("outcome: succeeded"), "{}", bench.record("after")?);
    old.stop()?;
    drop(old);
    Ok(bench.close()?)
}

#[test]
fn an_upgrade_in_the_middle_of_a_job_runs_nothing_twice() -> Tested {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let bench = Bench::new(true)?;
        bench.host("drain: 100ms\n")?;
        let program = install(&bench)?;
        bench.request("quick", "first")?;
        let mut old = watch(&bench, &program)?;
        bench.recorded("first")?;
        bench.request("slow", "once")?;
        bench.request("again", "twice")?;
        bench.began("once")?;
        bench.began("twice")?;
        replace(&program)?;
        old.signal(signal)?;
        let _ = old.ended()?;
        bench.go("twice")?;
        let mut new = watch(&bench, &program)?;
        let once = bench.recorded("once")?;
        let expected = if signal == Signal::SIGTERM { "reason: shutdown" } else { "outcome: indeterminate" };
        assert!(once.contains(expected), "{signal}: {once}");
        let twice = bench.recorded("twice")?;
        assert!(twice.contains("outcome: succeeded"), "{signal}: {twice}");
        assert_eq!((bench.begins("once"), bench.begins("twice")), (1, 2), "{signal}");
        new.stop()?;
        drop((old, new));
        bench.close()?;
    }
    Ok(())
}

#[test]
fn an_older_program_refuses_what_a_newer_one_wrote() -> Tested {
    let bench = Bench::new(true)?;
    bench.world.must("dispatch run")?;
    let journal = rusqlite::Connection::open(bench.state().join("journal.db"))?;
    journal.pragma_update(None, "user_version", 1000)?;
    drop(journal);
    let mut watch = bench.watch(&[])?;
    assert_eq!(watch.ended()?.code(), Some(78));
    assert!(bench.log().contains("install the newer dispatch again"), "{}", bench.log());
    drop(watch);
    Ok(bench.close()?)
}
