//! What it does while nothing happens: look, and leave everything as it is.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{Bench, Tested, Watch, until};

/// What may make a disk work, start something, or change what others see.
const TRACED: &str = "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync,write,writev,pwrite64,pwritev,ftruncate,rename,renameat,\
                      renameat2,link,linkat,unlink,unlinkat,execve";
const SYNCS: [&str; 6] = ["fsync(", "fdatasync(", "sync(", "syncfs(", "sync_file_range(", "msync("];

/// Asks the dispatcher that runs below a tracer for a look, and waits until it is over.
fn look(bench: &Bench, watch: &Watch) -> io::Result<u64> {
    let before = watch.manager.count("READY=1");
    let said: serde_json::Value = serde_json::from_str(&bench.world.must("dispatch poke --json")?)?;
    watch.manager.until_said("READY=1", before + 1)?;
    said["pid"].as_u64().ok_or_else(|| io::Error::other("no process"))
}

/// The dispatcher below a tracer, which outlives a tracer that is killed.
struct Traced(Pid);

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

#[test]
fn an_idle_one_syncs_writes_and_starts_nothing() -> Tested {
    let can_trace = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !can_trace.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: nothing can be traced here");
        return Ok(());
    }
    for remote in [true, false] {
        let bench = Bench::new(remote)?;
        let calls = bench.world.path("calls");
        let mut command = bench.command("strace");
        command.args(["-f", "-y", "-e", TRACED, "-e", "signal=none", "-o"]).arg(&calls);
        command.arg(env!("CARGO_BIN_EXE_dispatch"));
        let mut watch = bench.watch_as(command, &["--interval", "1h"])?;
        bench.request("walled", "a")?;
        bench.recorded("a")?;
        watch.manager.until_status("idle; last published 2")?;
        // The clone is brought up beside the conductor.
        let tip = bench.tip()?;
        let is_up =
            || bench.world.git("clone", &["rev-parse", "HEAD"]).is_ok_and(|out| out.stdout.starts_with(tip.as_bytes()));
        let stands = || is_up() && !bench.state().join("in-clone").exists();
        until("the clone stands at main", stands)?;
        // Whatever our own publication still sets in motion is over after a few looks.
        let traced = Traced(Pid::from_raw(i32::try_from(look(&bench, &watch)?)?));
        for _ in 0..2 {
            look(&bench, &watch)?;
        }
        let before = fs::read_to_string(&calls)?;
        assert!(
            SYNCS.iter().any(|call| before.contains(call)) && before.contains("journal.db"),
            "the tracer saw the work"
        );
        for _ in 0..10 {
            look(&bench, &watch)?;
        }
        let after = fs::read_to_string(&calls)?;
        // From a whole line on; the last look may still be about to show itself.
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let idle: Vec<&str> = after[begin..].lines().skip(1).collect();
        let of = |line: &&&str, call: &str| {
            line.split_once(' ').is_some_and(|(_, rest)| rest.trim_start().starts_with(call))
        };
        let told: Vec<_> = idle.iter().filter(|line| line.contains("status.json")).collect();
        assert!(told.len() >= 9, "each look is shown: {idle:#?}");
        for line in &idle {
            assert!(!SYNCS.iter().any(|call| of(&line, call)), "remote {remote}: {line}");
            assert!(!line.contains("journal.db"), "remote {remote}: {line}");
            assert!(!line.contains("keeper"), "remote {remote}: {line}");
            let moves = ["rename", "link", "unlink", "ftruncate"].iter().any(|call| of(&line, call));
            // Others are told of this host at most once a minute, and that may fall in here.
            let told = line.contains("repo.git/objects/") || line.contains("dispatch-fetch/dispatch/hosts/");
            let ours = line.contains("status.json") || line.contains("dispatch.prom") || told;
            assert!(!moves || ours, "remote {remote}: {line}");
        }
        assert_eq!(bench.tip()?, tip);
        kill(traced.0, Signal::SIGTERM)?;
        assert_eq!(watch.ended()?.code(), Some(0));
        std::mem::forget(traced);
        drop(watch);
        bench.close()?;
    }
    Ok(())
}

#[test]
fn two_hundred_looks_cost_no_descriptors_and_no_memory() -> Tested {
    let bench = Bench::new(true)?;
    let mut watch = bench.watch(&["--interval", "1h"])?;
    watch.manager.until_status("idle")?;
    let process = format!("/proc/{}", watch.pid());
    let used = || -> io::Result<(usize, u64)> {
        let status = fs::read_to_string(format!("{process}/status"))?;
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        Ok((fs::read_dir(format!("{process}/fd"))?.count(), resident.unwrap_or_default()))
    };
    // Files are open for a moment behind each look: the least of some glances is what is always open.
    let least = || -> io::Result<(usize, u64)> {
        let mut glances = (0..50).map(|_| {
            std::thread::sleep(Duration::from_millis(2));
            used()
        });
        let first = glances.next().expect("fifty")?;
        glances.try_fold(first, |least, glance| glance.map(|now| (least.0.min(now.0), least.1.min(now.1))))
    };
    (0..20).try_for_each(|_| watch.look())?;
    let (descriptors, resident_kib) = least()?;
    (0..180).try_for_each(|_| watch.look())?;
    let after = least()?;
    assert_eq!(after.0, descriptors, "descriptors");
    // An allocator takes what it likes for a while; a leak of a look's worth would be far more.
    assert!(after.1 < resident_kib + 4096, "{resident_kib} KiB after 20 looks, {} KiB after 200", after.1);
    watch.stop()?;
    drop(watch);
    Ok(bench.close()?)
}
