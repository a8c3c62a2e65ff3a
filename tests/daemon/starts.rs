//! Whatever whoever starts it has left behind: it works, or says what is wrong.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::bench::{Bench, Tested, Watch};

/// A dispatcher that a shell line starts; the line ends in `exec dispatch "$@"` and may prepare what it likes.
fn started_by(bench: &Bench, line: &str) -> io::Result<Watch> {
    let mut command = bench.command("sh");
    command.args(["-c", line, "sh"]);
    bench.watch_as(command, &["--interval", "1h"])
}

#[test]
fn what_is_inherited_does_not_matter() -> Tested {
    let bench = Bench::new(true)?;
    let deaf = r#"exec python3 -c '
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execvp("dispatch", ["dispatch"] + sys.argv[1:])' "$@""#;
    for (name, line) in [
        ("chld-ignored", "trap '' CHLD; exec dispatch \"$@\""),
        ("pipe-ignored", "trap '' PIPE HUP INT TERM; exec dispatch \"$@\""),
        ("signals-held-back", deaf),
        ("no-standard-descriptors", "exec dispatch \"$@\" <&- >&- 2>&-"),
        ("many-descriptors", "exec 3</dev/null 5</dev/null 9</dev/null; exec dispatch \"$@\""),
        ("umask-of-all", "umask 0777; exec dispatch \"$@\""),
        ("umask-of-nothing", "umask 0; exec dispatch \"$@\""),
        ("no-home", "unset HOME; exec dispatch \"$@\""),
        ("home-elsewhere", "HOME=/nonexistent exec dispatch \"$@\""),
        (
            "nothing-but-path",
            "exec env -i PATH=\"$PATH\" DISPATCH_HOST=\"$DISPATCH_HOST\" NOTIFY_SOCKET=\"$NOTIFY_SOCKET\" dispatch \"$@\"",
        ),
        ("few-descriptors", "ulimit -n 128; exec dispatch \"$@\""),
    ] {
        let told = |error: io::Error| io::Error::other(format!("{name}: {error}"));
        let mut watch = started_by(&bench, line).map_err(told)?;
        watch.manager.until_said("READY=1", 1).map_err(told)?;
        bench.request("walled", name).map_err(told)?;
        let record = bench.recorded(name).map_err(told)?;
        assert!(record.contains("outcome: succeeded"), "{name}: {record}");
        watch.look().map_err(told)?;
        watch.stop().map_err(told)?;
    }
    let state = fs::metadata(bench.state())?.permissions().mode() & 0o777;
    assert_eq!(state, 0o700);
    Ok(bench.close()?)
}

/// Root would not notice: what is made has to be the owner's to read and write.
#[test]
fn a_umask_takes_nothing_from_the_owner() -> Tested {
    let bench = Bench::new(true)?;
    let mut watch = started_by(&bench, "umask 0777; exec dispatch \"$@\"")?;
    bench.request("walled", "a")?;
    bench.recorded("a")?;
    watch.stop()?;
    let mut open = vec![bench.state()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let data = entry.metadata()?;
            let wanted = if data.is_dir() { 0o700 } else { 0o400 };
            assert!(data.is_symlink() || data.permissions().mode() & wanted == wanted, "{}", entry.path().display());
            if data.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(bench.close()?)
}

/// What a handler is given is the same whoever started the dispatcher.
#[test]
fn handlers_do_not_inherit_it_either() -> Tested {
    let bench = Bench::new(true)?;
    let handler = "#!/bin/sh\nset -e\ngrep -q kind \"$1\"\numask\nulimit -n\ngrep -E '^Sig(Blk|Ign)' /proc/self/status\nls /proc/self/fd | wc -l\n";
    let index = "look: {run: handlers/look.sh, sandbox: {level: none}}\nwalled: handlers/look.sh\n";
    bench.merge(&[("handlers/look.sh", handler), ("handlers/index.yml", index)])?;
    let plain = "exec dispatch \"$@\"";
    let odd = "trap '' CHLD PIPE HUP INT TERM; umask 0777; exec 3</dev/null 7</dev/null; exec dispatch \"$@\"";
    let mut seen = Vec::new();
    for (name, line) in [("plain", plain), ("odd", odd)] {
        let mut watch = started_by(&bench, line)?;
        for kind in ["look", "walled"] {
            let name = format!("below/{kind}-{name}");
            bench.request(kind, &name)?;
            let record = bench.recorded(&name)?;
            assert!(record.contains("outcome: succeeded"), "{record}");
            let printed = bench.world.git("origin.git", &["show", &format!("main:logs/{name}/handler.log")])?;
            seen.push(String::from_utf8(printed.stdout)?);
        }
        watch.stop()?;
    }
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[3]);
    assert!(seen.iter().all(|text| text.starts_with("0022\n1024\n")), "{seen:#?}");
    Ok(bench.close()?)
}

#[test]
fn a_reader_of_its_story_that_goes_away_ends_nothing() -> Tested {
    let bench = Bench::new(true)?;
    let mut command = bench.command("sh");
    // The reader has gone before the first line.
    command.args(["-c", "mkfifo ../story; true < ../story & exec 2> ../story >&2; wait; exec dispatch \"$@\"", "sh"]);
    let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
    watch.manager.until_said("READY=1", 1)?;
    bench.request("quick", "a")?;
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn too_few_descriptors_are_said_and_nothing_is_lost() -> Tested {
    let bench = Bench::new(true)?;
    bench.request("walled", "a")?;
    for most in [4, 8, 12, 16, 20, 24, 28, 32, 40] {
        let ended = bench.world.shell(&format!("ulimit -n {most}; dispatch run"))?;
        let told = format!("{most}: {:?} {}", ended.exit, ended.stderr);
        let known = matches!(ended.exit, Some(0 | 69 | 73 | 75 | 78));
        // Below some number even the loader of programs gives up.
        assert!(known || (most < 8 && ended.exit == Some(127)), "{told}");
        assert!(ended.exit == Some(0) || !ended.stderr.trim().is_empty(), "{told}");
        assert!(!ended.stderr.contains("panicked"), "{told}");
    }
    bench.world.must("dispatch run")?;
    let record = bench.record("a")?;
    assert!(record.contains("outcome: succeeded") || record.contains("not_started"), "{record}");
    Ok(bench.close()?)
}

#[test]
fn a_terminal_that_goes_away_is_a_reason_to_look_and_no_more() -> Tested {
    let bench = Bench::new(true)?;
    let mut command = bench.command("setsid");
    command.arg(env!("CARGO_BIN_EXE_dispatch")).stdout(Stdio::null());
    let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
    watch.manager.until_said("READY=1", 1)?;
    watch.signal(Signal::SIGHUP)?;
    watch.manager.until_said("READY=1", 2)?;
    assert!(watch.lives());
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}
