//! Disks that are full: the state folder on a small file system in memory, filled and freed at random moments while `watch`
//! works; without inodes; and the disks of the clone and of the origin.
//!
//! Held against docs/durability.md: nothing starts without room for its log and record, what ran is not lost and not called
//! unknown, `watch` lives on, and everything goes on by itself when there is room again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::checker::{self, Violation};
use crate::disk::{self, Mounted};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{self, Plan, Remote, Rig};
use crate::witness::Sort;
use crate::writer::Random;

type Tested = io::Result<()>;

const SLICE: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_mins(2);
const MIB: u64 = 1 << 20;

/// Takes what room there is on a file system, but for a rest.
struct Ballast {
    file: PathBuf,
}

impl Ballast {
    fn on(folder: &Path) -> Self {
        Self { file: folder.join("ballast") }
    }

    /// Leaves this many bytes free, or as few as can be had.
    fn leave(&self, rest: u64) -> io::Result<()> {
        let folder = self.file.parent().expect("a file in a folder");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&self.file)?;
        let block = [0_u8; 16 << 10];
        loop {
            let free = rustix::fs::statvfs(folder)?;
            let free = free.f_bavail * free.f_frsize;
            if free <= rest {
                return Ok(());
            }
            let part = usize::try_from((free - rest).min(block.len() as u64)).expect("no more than a block");
            // Somebody else was faster: as full as can be.
            if file.write_all(&block[..part]).is_err() {
                return Ok(());
            }
        }
    }

    fn clear(&self) -> io::Result<()> {
        if self.file.exists() { fs::remove_file(&self.file) } else { Ok(()) }
    }
}

fn watch(rig: &mut Rig) -> io::Result<Child> {
    let mut command = rig.verb(1, &["watch", "--interval", "1s"]);
    let child = rig.start_command(1, &mut command)?;
    rig::until("it has begun", PATIENCE, || rig.printed(1).contains("looking at main"))?;
    Ok(child)
}

/// Ends `watch` as its service would, and gives what it said.
fn stop(rig: &Rig, mut child: Child) -> io::Result<(Option<i32>, String)> {
    let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let status = rig::wait(&mut child, PATIENCE)?;
    Ok((status.code(), rig.printed(1)))
}

fn settle_and_judge(rig: &mut Rig, within_order: bool) -> io::Result<Vec<Violation>> {
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    // What is held for want of room gives its place up.
    evidence.ordered = within_order;
    found.extend(checker::judge(&evidence)?);
    found.extend(rig.leftovers());
    Ok(found)
}

#[test]
fn campaign_full() -> Tested {
    disk::alone(|| {
        let (seed, began) = (seed(), Instant::now());
        let mut report = Report::new("full disk");
        for round in 0_u64.. {
            let remote = if round % 2 == 0 { Remote::Path } else { Remote::None };
            let plan = Plan { seed: seed.wrapping_add(round), remote, ..Plan::default() };
            let (faults, requests, found) = fill_and_free(plan)?;
            report.add(faults, requests, found);
            let enough = if is_long() { began.elapsed() > budget(SLICE) } else { round == 1 };
            if enough || !report.is_clean() {
                break;
            }
        }
        report.end(seed);
        Ok(())
    })
}

/// `watch` on a small disk that is filled and freed while requests come.
fn fill_and_free(plan: Plan) -> io::Result<(u64, u64, Vec<Violation>)> {
    let mut random = Random::new(plan.seed ^ 0xf011);
    let mut rig = Rig::new(plan)?;
    let state = rig.state_of(1);
    let size = *random.choose(&["size=40m", "size=64m", "size=64m,nr_inodes=900"]);
    let mounted: Mounted = disk::small(&state, size)?;
    let ballast = Ballast::on(&state);
    let is_local = rig.plan.remote == Remote::None;
    if is_local {
        // Whoever commits while the branch moves under the work tree undoes a record: that is another matter.
        rig.submit(10)?;
    }
    let mut child = watch(&mut rig)?;
    let mut faults = 0;
    for _ in 0..5 {
        if !is_local {
            rig.submit(2)?;
        }
        ballast.leave(*random.choose(&[0, 0, 4 << 10, 300 << 10, 2 * MIB, 30 * MIB]))?;
        faults += 1;
        // Somewhere between its noticing, its running and its recording.
        std::thread::sleep(Duration::from_millis(200 + random.below(900)));
        ballast.clear()?;
        std::thread::sleep(Duration::from_millis(random.below(600)));
    }
    let mut found = Vec::new();
    // By itself: nobody starts it again.
    let done = rig::until("everything is recorded", PATIENCE, || {
        rig.is_inbox_empty().unwrap_or(false) || child.try_wait().is_ok_and(|status| status.is_some())
    });
    if let Err(error) = done {
        found.push(Violation::new(checker::Fault::Restless, format!("{error}: {}", rig.printed(1))));
    }
    if let Some(status) = child.try_wait()? {
        let words = format!("watch ended with {status}: {}", rig.printed(1));
        found.push(Violation::new(checker::Fault::Restless, words));
    } else {
        let (code, said) = stop(&rig, child)?;
        if code != Some(0) {
            found.push(Violation::new(checker::Fault::Restless, format!("watch was stopped with {code:?}: {said}")));
        }
    }
    found.extend(settle_and_judge(&mut rig, false)?);
    drop(mounted);
    let requests = rig.submissions.len() as u64;
    fs::remove_dir(&state)?;
    found.extend(rig.close());
    Ok((faults, requests, found))
}

/// A single pass says what is missing, has started nothing, and the next one goes on.
#[test]
fn nothing_starts_without_room() -> Tested {
    disk::alone(|| {
        let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
        let state = rig.state_of(1);
        let mounted = disk::small(&state, "size=40m,nr_inodes=3000")?;
        let ballast = Ballast::on(&state);
        rig.submit_these(&[Sort::Quick])?;
        let first = rig.run(1)?;
        assert_eq!(first.exit, Some(0), "{}", first.stderr);
        rig.submit_these(&[Sort::Quick, Sort::Sure])?;

        ballast.leave(20 * MIB)?;
        let held = rig.run(1)?;
        assert_eq!(held.exit, Some(73), "{}", held.stderr);
        assert!(held.stderr.contains("is held: disk_full: `"), "{}", held.stderr);
        assert!(held.stderr.contains(" free, a run of this kind may need 34MiB"), "{}", held.stderr);

        // Not even room to write down what was seen.
        ballast.leave(0)?;
        let full = rig.run(1)?;
        assert_eq!(full.exit, Some(73), "{}", full.stderr);

        ballast.clear()?;
        let mut files = Vec::new();
        while rustix::fs::statvfs(&state)?.f_favail > 50 {
            let file = state.join(format!("inode{}", files.len()));
            fs::File::create(&file)?;
            files.push(file);
        }
        let inodes = rig.run(1)?;
        assert_eq!(inodes.exit, Some(73), "{}", inodes.stderr);
        assert!(inodes.stderr.contains("out of inodes"), "{}", inodes.stderr);
        assert_eq!(rig.witness.events()?.len(), 2, "only the first request has run");

        files.iter().try_for_each(fs::remove_file)?;
        let found = settle_and_judge(&mut rig, true)?;
        drop(mounted);
        assert_eq!(found, []);
        fs::remove_dir(&state)?;
        assert_eq!(rig.close(), []);
        Ok(())
    })
}

/// A `watch` that starts on a full disk waits, as one that meets it later does: at 78, which a full disk looked like to git,
/// a service would stay down.
#[test]
fn a_watch_that_starts_on_a_full_disk_waits_for_room() -> Tested {
    disk::alone(|| {
        let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
        let state = rig.state_of(1);
        let mounted = disk::small(&state, "size=48m")?;
        let ballast = Ballast::on(&state);
        // With a state folder that is empty, and with one that has a journal.
        for number in 1..=2 {
            rig.submit_these(&[Sort::Quick])?;
            ballast.leave(0)?;
            let full = rig.run(1)?;
            assert_eq!(full.exit, Some(73), "{}", full.stderr);
            assert!(full.stderr.contains("make room"), "{}", full.stderr);

            let mut command = rig.verb(1, &["watch", "--interval", "1s"]);
            let waiting = rig.start_command(1, &mut command)?;
            rig::until("it waits", PATIENCE, || rig.printed(1).contains("until there is room"))?;
            let (code, said) = stop(&rig, waiting)?;
            assert_eq!(code, Some(0), "{said}");

            let mut command = rig.verb(1, &["watch", "--interval", "1s"]);
            let waiting = rig.start_command(1, &mut command)?;
            rig::until("it waits", PATIENCE, || rig.printed(1).contains("until there is room"))?;
            let bare = String::from_utf8_lossy(&rig.verb(1, &[]).output()?.stdout).into_owned();
            assert!(bare.contains("` is full"), "{bare}");
            ballast.clear()?;
            rig::until("it is recorded", PATIENCE, || rig.is_inbox_empty().unwrap_or(false))?;
            let (code, said) = stop(&rig, waiting)?;
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("there is room again"), "{said}");
            assert_eq!(rig.witness.events()?.len(), 2 * number, "each has run once");
        }
        let found = settle_and_judge(&mut rig, true)?;
        drop(mounted);
        assert_eq!(found, []);
        fs::remove_dir(&state)?;
        assert_eq!(rig.close(), []);
        Ok(())
    })
}

/// The disk runs full while a handler prints: its log is cut and says so, its outcome is what it was.
#[test]
fn what_is_printed_on_a_full_disk_is_cut_and_said_to_be() -> Tested {
    disk::alone(|| {
        let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
        let state = rig.state_of(1);
        let mounted = disk::small(&state, "size=48m")?;
        let ballast = Ballast::on(&state);
        // One that prints what no pipe holds, when its gate is open.
        let handler = fs::read_to_string(rig.world.path("clone/handlers/gated.sh"))?;
        let loud = handler.replacen("say begin\n", "say begin\ntrap 'seq 1 50000; say end; exit 0' EXIT\n", 1);
        rig.commit("loud", &[("handlers/gated.sh".to_owned(), Some(loud))])?;
        rig.submit_these(&[Sort::Gated])?;
        let child = watch(&mut rig)?;
        rig::until("the handler runs", PATIENCE, || rig.witness.events().is_ok_and(|events| !events.is_empty()))?;
        ballast.leave(0)?;
        rig.witness.open_gate()?;
        rig::until("the handler has ended", PATIENCE, || rig.witness.events().is_ok_and(|events| events.len() >= 2))?;
        rig::until("the dispatcher waits", PATIENCE, || rig.printed(1).contains("until there is room"))?;
        assert!(!rig.is_inbox_empty()?, "there was no room for its record");
        ballast.clear()?;
        rig::until("it is recorded", PATIENCE, || rig.is_inbox_empty().unwrap_or(false))?;
        let (code, said) = stop(&rig, child)?;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("there is room again"), "{said}");
        let name = rig.submissions[0].path.clone();
        let place =
            name.strip_prefix("requests/").and_then(|name| name.rsplit_once('.')).expect("a request").0.to_owned();
        let status = rig::git(&rig.world, &rig.origin(), &["show", &format!("main:logs/{place}/status.yml")])?;
        assert!(status.contains("outcome: succeeded"), "{status}");
        assert!(status.contains("the output was cut: No space left on device"), "{status}");
        drop(mounted);
        fs::remove_dir(&state)?;
        assert_eq!(rig.close(), []);
        Ok(())
    })
}

/// The origin's disk is full: what ran is kept and published later; the clone's is full: it is left behind, and nothing else.
#[test]
fn full_disks_of_others_keep_nothing_from_its_record() -> Tested {
    disk::alone(|| {
        let folder = tempfile::tempdir()?;
        let origin = disk::small(&folder.path().join("origin"), "size=24m")?;
        let plan = Plan { seed: seed(), origin: Some(folder.path().join("origin")), ..Plan::default() };
        let mut rig = Rig::new(plan)?;
        let ballast = Ballast::on(&rig.origin());
        rig.submit_these(&[Sort::Leaves, Sort::Sure])?;
        ballast.leave(0)?;
        let mut pass = rig.verb(1, &["run", "--push-tries", "2"]);
        let full = rig.run_command(1, &mut pass)?;
        assert_eq!(full.exit, Some(75), "{}", full.stderr);
        assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
        let begun = rig.witness.events()?;
        ballast.clear()?;
        let mut found = rig.settle()?;
        assert_eq!(rig.witness.events()?[..begun.len()], begun[..]);
        let mut evidence = rig.evidence()?;
        evidence.disturbed = false;
        found.extend(checker::judge(&evidence)?);

        // The clone: copied onto a disk that is full as soon as it is there.
        let clone = rig.clone_of(1);
        let aside = rig.world.path("aside");
        fs::rename(&clone, &aside)?;
        let small = disk::small(&clone, "size=8m")?;
        rig.world.must(&format!("cp -a {}/. {}", aside.display(), clone.display()))?;
        let ballast = Ballast::on(&clone);
        ballast.leave(0)?;
        rig.submit_these(&[Sort::Quick])?;
        let behind = rig.run(1)?;
        assert_eq!(behind.exit, Some(0), "{}", behind.stderr);
        ballast.clear()?;
        found.extend(rig.settle()?);
        found.extend(checker::check(&rig)?);
        drop(small);
        drop(origin);
        assert_eq!(found, []);
        Ok(())
    })
}
