//! Power cuts: state folder and clone (and without a remote the origin itself) lie on a disk of their own, whose power goes at
//! random moments of a pass. What handlers reported, and a remote origin, lie elsewhere.
//!
//! Held against docs/durability.md: nothing is lost, nothing that may start once starts twice, what cannot be known is
//! recorded as `indeterminate`, and the next start goes on by itself.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant};

use crate::checker::{self, Violation};
use crate::disk::{self, Disk};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{self, Plan, Remote, Rig};
use crate::witness::Sort;
use crate::writer::Random;

type Tested = io::Result<()>;

/// Cuts of a rig before it is settled and judged.
const CUTS: u64 = 3;
const SLICE: Duration = Duration::from_secs(20);
const PASS: Duration = Duration::from_mins(2);

/// When the power goes, from the start of a pass on.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// While it starts, recovers and looks.
    Early(Duration),
    /// This long after so many more handlers have begun or ended.
    Amid(usize, Duration),
    /// As soon as it has said that all is done.
    Done,
}

impl Moment {
    fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::Early(Duration::from_millis(random.below(150))),
            1 => Self::Done,
            _ => {
                let lines = usize::try_from(random.below(6) + 1).expect("small");
                Self::Amid(lines, Duration::from_millis(random.below(200)))
            }
        }
    }
}

#[test]
fn campaign_power() -> Tested {
    disk::alone(|| {
        let (seed, began) = (seed(), Instant::now());
        let mut report = Report::new("power cut");
        for round in 0_u64.. {
            let remote = if round % 2 == 0 { Remote::Path } else { Remote::None };
            let plan = Plan { seed: seed.wrapping_add(round), remote, ..Plan::default() };
            let Some((requests, found)) = cut_often(plan)? else { return Ok(()) };
            report.add(CUTS, requests, found);
            let enough = if is_long() { began.elapsed() > budget(SLICE) } else { round == 1 };
            if enough || !report.is_clean() {
                break;
            }
        }
        report.end(seed);
        Ok(())
    })
}

/// One rig, several cuts, and what is wrong in the end; `None` where this machine has no disk for it.
fn cut_often(plan: Plan) -> io::Result<Option<(u64, Vec<Violation>)>> {
    let mut random = Random::new(plan.seed ^ 0xd15c);
    let mut rig = Rig::new(plan)?;
    let Some(mut disk) = Disk::new(&rig.world, random.choose::<&str>(&[disk::USUAL, disk::STRICT]))? else {
        let left = rig.close();
        assert!(left.is_empty(), "{left:?}");
        return Ok(None);
    };
    disk.take(&rig.world.path("host1"))?;
    let is_local = rig.plan.remote == Remote::None;
    if is_local {
        disk.take(&rig.world.path("clone"))?;
    }
    for cut in 0..CUTS {
        // Without a remote all at once: between a cut and the next start git's locks may lie there, and people wait for them.
        let count = usize::try_from(random.below(4) + 2).expect("small");
        match (is_local, cut) {
            (true, 0) => rig.submit(count * 3)?,
            (true, _) => {}
            (false, _) => rig.submit(count)?,
        }
        // A commit that was not on the disk was never merged.
        disk.sync()?;
        let seen = rig.witness.events()?.len();
        let mut child = rig.start(1)?;
        let mut ended = || child.try_wait().is_ok_and(|status| status.is_some());
        match Moment::any(&mut random) {
            Moment::Early(pause) => std::thread::sleep(pause),
            Moment::Amid(lines, pause) => {
                let enough = || rig.witness.events().is_ok_and(|events| events.len() >= seen + lines);
                rig::until("handlers run, or the pass is over", PASS, || enough() || ended())?;
                std::thread::sleep(pause);
            }
            Moment::Done => rig::until("the pass is over", PASS, ended)?,
        }
        let cut = disk.cut(&mut random);
        let _ = child.wait();
        cut?;
    }
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.leftovers());
    disk.end()?;
    let requests = rig.submissions.len() as u64;
    let of_server = rig.of_server();
    found.extend(rig.close());
    found.retain(|one| !of_server(one));
    Ok(Some((requests, found)))
}

/// The power of the origin goes: a push that was acknowledged is undone, main stands where it stood. Nobody is surprised in
/// silence, nothing is run again, and what was lost is published again from the spool.
#[test]
fn a_server_that_loses_an_acknowledged_push_gets_it_again() -> Tested {
    disk::alone(|| {
        let mut random = Random::new(seed());
        let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
        let Some(mut disk) = Disk::new(&rig.world, disk::USUAL)? else {
            assert_eq!(rig.close(), []);
            return Ok(());
        };
        let origin = rig.origin();
        // What it is sent is on its disk, as every server has it; that it was sent is not.
        let config = ["config", "core.fsync", "objects,derived-metadata"];
        rig::git(&rig.world, &origin, &config)?;
        disk.take(&origin)?;
        // What a host says of itself would be a second push, whose syncs bring the first one to the disk.
        let state = rig.state_of(1);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&state)?;
        std::fs::write(state.join("hosts-refused"), "not in this test\n")?;
        rig.submit_these(&[Sort::Quick, Sort::Sure])?;
        disk.sync()?;
        let pass = rig.run(1)?;
        assert_eq!(pass.exit, Some(0), "{}", pass.stderr);
        let published = rig.tip()?;

        disk.cut(&mut random)?;
        assert_ne!(rig.tip()?, published, "the push that was acknowledged is gone");
        for _ in 0..2 {
            let stopped = rig.run(1)?;
            assert_eq!(stopped.exit, Some(75), "{}", stopped.stderr);
            assert!(stopped.stderr.contains("main was rewritten"), "{}", stopped.stderr);
            assert!(stopped.stderr.contains("dispatch adopt"), "{}", stopped.stderr);
        }
        let mut adopt = rig.verb(1, &["adopt"]);
        let adopted = rig.run_command(1, &mut adopt)?;
        assert_eq!(adopted.exit, Some(0), "{}", adopted.stderr);
        let mut found = rig.settle()?;
        // Undisturbed: each was started once, and has the record of that start.
        let mut evidence = rig.evidence()?;
        evidence.disturbed = false;
        found.extend(checker::judge(&evidence)?);
        let of_server = rig.of_server();
        found.extend(rig.leftovers().into_iter().filter(|left| !of_server(left)));
        disk.end()?;
        drop(rig);
        assert_eq!(found, []);
        Ok(())
    })
}
