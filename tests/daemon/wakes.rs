//! What makes it look: a poke, SIGHUP, a branch that moves on this machine; and what does not.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Tested, until};

/// A transport that brings git to the origin's folder without a network, notes each call, and lets nobody in while the
/// file `closed` is there.
fn transport(bench: &Bench) -> io::Result<String> {
    let script = bench.world.path("bin/transport");
    let (calls, closed) = (bench.meet("calls"), bench.meet("closed"));
    let text = format!(
        "#!/bin/sh\n# So git asks what kind of ssh this is.\ncase \" $* \" in *' -G '*) exit 1 ;; esac\necho call >> {}\nif [ -e {} ]; then echo 'Permission denied (publickey).' >&2; exit 255; fi\n\
         while [ \"$1\" != host.invalid ]; do shift; done\nshift\neval \"$@\"\n",
        calls.display(),
        closed.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let origin = bench.world.path("origin.git");
    bench.world.must(&format!(
        "git remote set-url origin ssh://host.invalid{}; git config core.sshCommand {}",
        origin.display(),
        script.display()
    ))?;
    Ok(script.display().to_string())
}

fn calls(bench: &Bench) -> usize {
    fs::read_to_string(bench.meet("calls")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_poke_fetches_at_once_and_cuts_the_pause_after_a_refusal() -> Tested {
    let bench = Bench::new(true)?;
    transport(&bench)?;
    fs::write(bench.meet("closed"), "")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    watch.manager.until_said("READY=1", 1)?;
    watch.manager.until_status("the remote does not let us in")?;
    assert_eq!(calls(&bench), 1);
    let poke =
        || -> io::Result<serde_json::Value> { Ok(serde_json::from_str(&bench.world.must("dispatch poke --json")?)?) };
    let before = watch.manager.count("READY=1");
    let said = poke()?;
    assert_eq!((said["poked"].as_bool(), said["pid"].as_u64()), (Some(true), Some(u64::from(watch.pid()))), "{said}");
    watch.manager.until_said("READY=1", before + 1)?;
    assert_eq!(calls(&bench), 2, "one look more, and none by itself");

    fs::remove_file(bench.meet("closed"))?;
    bench.request("quick", "a")?;
    let before = calls(&bench);
    assert!(bench.world.must("dispatch poke")?.contains("looks at main now"));
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    assert!(calls(&bench) > before);
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_poke_makes_what_could_not_be_published_go_out() -> Tested {
    let bench = Bench::new(true)?;
    transport(&bench)?;
    bench.request("slow", "a")?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    bench.began("a")?;
    fs::write(bench.meet("closed"), "")?;
    bench.go("a")?;
    watch.manager.until_status("1 not published yet; nothing published yet; the remote does not let us in")?;
    fs::remove_file(bench.meet("closed"))?;
    // The pause after a refusal may be up to a minute, at least; nobody waits for it here.
    watch.look()?;
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    assert_eq!(bench.begins("a"), 1);
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

/// Every fetch is counted, by a program called git that stands before the real one.
fn count_fetches(bench: &Bench) -> io::Result<()> {
    let real = bench.world.must("PATH=${PATH#*:} command -v git")?;
    let script = bench.world.path("bin/git");
    let text = "#!/bin/sh\nfor word; do [ \"$word\" != fetch ] || echo call >> CALLS; done\nexec REAL \"$@\"\n";
    fs::write(&script, text.replace("CALLS", &bench.meet("calls").display().to_string()).replace("REAL", real.trim()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
}

#[test]
fn a_push_to_a_path_is_noticed_at_once_and_our_own_makes_no_loop() -> Tested {
    let bench = Bench::new(true)?;
    count_fetches(&bench)?;
    let mut command = bench.command(env!("CARGO_BIN_EXE_dispatch"));
    command.env("WATCHDOG_USEC", "400000");
    let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
    watch.manager.until_status("idle")?;
    for name in ["a", "b"] {
        // Without a word to anybody.
        bench.request("quick", name)?;
        assert!(bench.recorded(name)?.contains("outcome: succeeded"));
    }
    // When everything has been seen, it lives for a while and does not look; a loop would always add some.
    let mut rounds = (0..5).map(|_| -> io::Result<usize> {
        let before = calls(&bench);
        let signs = watch.manager.count("WATCHDOG=1");
        watch.manager.until_said("WATCHDOG=1", signs + 10)?;
        Ok(calls(&bench) - before)
    });
    assert!(rounds.any(|round| round.is_ok_and(|fetches| fetches == 0)), "it goes on fetching by itself");
    drop(rounds);
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_commit_without_a_remote_is_noticed_at_once() -> Tested {
    let bench = Bench::new(false)?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    watch.manager.until_status("idle")?;
    bench.request("quick", "a")?;
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    // With packed refs and the branch gone from its file, too.
    bench.world.must("git pack-refs --all; git status --short")?;
    bench.request("quick", "b")?;
    assert!(bench.recorded("b")?.contains("outcome: succeeded"));
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn a_remote_on_this_machine_that_appears_later_is_watched_from_then_on() -> Tested {
    let bench = Bench::new(true)?;
    fs::rename(bench.world.path("origin.git"), bench.world.path("away.git"))?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    watch.manager.until_status("cannot be reached")?;
    fs::rename(bench.world.path("away.git"), bench.world.path("origin.git"))?;
    watch.look()?;
    bench.request("quick", "a")?;
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}

#[test]
fn nobody_to_poke_is_said_plainly() -> Tested {
    let bench = Bench::new(true)?;
    let nobody = bench.world.shell("dispatch poke")?;
    assert_eq!(nobody.exit, Some(69), "{}", nobody.stderr);
    assert!(
        nobody.stderr.contains("no dispatcher works") && nobody.stderr.contains("dispatch watch"),
        "{}",
        nobody.stderr
    );
    // What holds the folder may be no dispatcher: SIGHUP would end it.
    bench.world.must("dispatch run")?;
    let held = bench.world.shell(
        "cd .git/dispatch; mkfifo ready done\nflock instance.lock sh -c 'echo > ready; cat done' & read line < ready\n\
         code=0; dispatch poke || code=$?\necho > done; wait $!; rm ready done; exit $code",
    )?;
    assert_eq!(held.exit, Some(75), "{}", held.stderr);
    assert!(held.stderr.contains("takes no signals"), "{}", held.stderr);
    // A stale number is nobody's.
    let stale = bench.world.shell("echo 1 > .git/dispatch/instance.lock; dispatch poke")?;
    assert_eq!(stale.exit, Some(69), "{}", stale.stderr);

    // `run` can be poked as well: it looks once more.
    bench.request("slow", "a")?;
    let mut run = bench.command(env!("CARGO_BIN_EXE_dispatch")).arg("run").spawn()?;
    bench.began("a")?;
    bench.request("quick", "b")?;
    bench.world.must("dispatch poke")?;
    bench.go("a")?;
    assert_eq!(run.wait()?.code(), Some(0));
    until("the record", || bench.record("b").is_ok_and(|text| text.contains("succeeded")))?;
    Ok(bench.close()?)
}
