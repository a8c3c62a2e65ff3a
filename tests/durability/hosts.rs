//! Several hosts on one origin (`claims: remote`): dispatchers that are killed at any time and started again, and those
//! that are killed between two steps of a claim.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;
use std::time::{Duration, Instant};

use codex_dispatch::event::Event;
use codex_dispatch::id::RequestId;
use codex_dispatch::journal::{Entry, Journal};
use codex_dispatch::state::State;

use crate::checker::{self, Violation};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{PASS_TIMEOUT, Plan, Rig, git, kill, until, wait};
use crate::witness::Sort;

type Tested = io::Result<()>;

/// Requests of a round.
const REQUESTS: usize = 40;
/// Kills of a round of the tests; then everybody may come to an end.
const KILLS: u64 = 12;
/// And of a long one.
const KILLS_LONG: u64 = 60;

/// Three dispatchers on one origin, each killed with all of its group at random times and started again at once.
#[test]
fn campaign_three_hosts() -> Tested {
    let mut seed = seed();
    let end = Instant::now() + budget(Duration::from_secs(1));
    let mut report = Report::new("SIGKILL of three dispatchers on one origin");
    loop {
        let (kills, found) = round(seed)?;
        report.add(kills, REQUESTS as u64, found);
        if !report.is_clean() || Instant::now() >= end {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    // The last round is the one in which something was found, if anything was.
    report.end(seed);
    Ok(())
}

fn round(seed: u64) -> io::Result<(u64, Vec<Violation>)> {
    let mut rig = Rig::new(Plan { seed, hosts: 3, claims: "remote", places: 5, ..Plan::default() })?;
    rig.submit(REQUESTS / 2)?;
    let mut running: Vec<Option<(Child, Instant)>> = vec![None, None, None];
    let most = if is_long() { KILLS_LONG } else { KILLS };
    let (mut kills, mut passes) = (0, 0);
    let deadline = Instant::now() + PASS_TIMEOUT;
    while (kills < most || !rig.is_inbox_empty()?) && Instant::now() < deadline {
        for (index, slot) in running.iter_mut().enumerate() {
            let ended = match slot {
                None => true,
                Some((child, doomed)) if kills < most && Instant::now() >= *doomed => {
                    kill(child)?;
                    kills += 1;
                    true
                }
                Some((child, _)) => child.try_wait()?.is_some(),
            };
            if ended {
                let doomed = Instant::now() + Duration::from_millis(50 + rig.random.below(1500));
                *slot = Some((rig.start(index + 1)?, doomed));
                passes += 1;
            }
        }
        if passes == 6 {
            // The rest arrives in the middle of it.
            rig.submit(REQUESTS / 2)?;
            passes += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for (child, _) in running.iter_mut().flatten() {
        wait(child, PASS_TIMEOUT)?;
    }
    if rig.submissions.len() < REQUESTS {
        rig.submit(REQUESTS - rig.submissions.len())?;
    }
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    Ok((kills, found))
}

/// A rig with one request, and a first host that was killed when the server had taken its claim, before the answer.
fn killed_with_a_claim(sort: Sort) -> io::Result<Rig> {
    let mut rig = Rig::new(Plan { hosts: 2, claims: "remote", ..Plan::default() })?;
    // Names are registered before anything happens.
    for host in 1..=2 {
        assert_eq!(rig.run(host)?.exit, Some(0));
    }
    rig.submit_these(&[sort])?;
    let process = rig.world.path("tmp/doomed");
    let hook = rig.origin().join("hooks/post-receive");
    fs::create_dir_all(hook.parent().expect("a folder of hooks"))?;
    let doomed = process.display();
    let script = format!(
        "#!/bin/sh\ngrep -q refs/dispatch/claims/ || exit 0\nuntil [ -s {doomed} ]; do sleep 0.01; done\n\
         kill -9 \"$(cat {doomed})\"\n"
    );
    fs::write(&hook, script)?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
    let mut child = rig.start(1)?;
    fs::write(&process, child.id().to_string())?;
    assert_eq!(wait(&mut child, PASS_TIMEOUT)?.code(), None, "it was killed");
    until("the push of the claim is over", PASS_TIMEOUT, || rig.refs().is_ok_and(|refs| refs.contains("/claims/")))?;
    fs::remove_file(hook)?;
    assert!(matches!(state_at(&rig, 1)?, State::Claiming { .. }), "{:?}", state_at(&rig, 1)?);
    Ok(rig)
}

/// What a host's journal says of the only request.
fn state_at(rig: &Rig, host: usize) -> io::Result<State> {
    let journal = Journal::open_to_read(&rig.state_of(host)).map_err(io::Error::other)?.expect("a journal");
    let row = journal.get(only(rig)).map_err(io::Error::other)?;
    Ok(row.map(|row| row.state).unwrap_or_default())
}

fn only(rig: &Rig) -> RequestId {
    rig.submissions[0].id.parse().expect("an id")
}

/// The crash comes one step later: CLAIMED is durable, nothing was started.
fn after_claimed(rig: &Rig) -> Tested {
    let mut journal = Journal::open(&rig.state_of(1)).map_err(io::Error::other)?;
    let entry = Entry { id: only(rig), event: Event::Claimed { tip: rig.tip()? } };
    journal.append("2026-01-02T03:04:05Z", &[entry], &[]).map_err(io::Error::other)
}

fn recorded_by(rig: &Rig) -> io::Result<String> {
    let text = git(&rig.world, &rig.origin(), &["grep", "-h", "^host: ", "main", "--", "logs/*/status.yml"])?;
    Ok(text.trim().trim_start_matches("host: ").to_owned())
}

fn ends_well(mut rig: Rig) -> Tested {
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    let words: Vec<String> = found.iter().map(Violation::to_string).collect();
    assert!(found.is_empty(), "{}", words.join("\n"));
    Ok(())
}

#[test]
fn killed_after_claim_and_after_claimed_it_goes_on_with_that_claim() -> Tested {
    for claimed in [false, true] {
        let mut rig = killed_with_a_claim(Sort::Quick)?;
        if claimed {
            after_claimed(&rig)?;
        }
        let refs = rig.refs()?;
        assert_eq!(rig.run(2)?.exit, Some(0));
        assert_eq!(rig.refs()?, refs, "the other host leaves it alone");
        assert_eq!(rig.run(1)?.exit, Some(0));
        assert_eq!(recorded_by(&rig)?, "host1");
        let journal = Journal::open_to_read(&rig.state_of(1)).map_err(io::Error::other)?.expect("a journal");
        assert_eq!(journal.claims_of(only(&rig)).map_err(io::Error::other)?.len(), 1, "claimed once");
        drop(journal);
        ends_well(rig)?;
    }
    Ok(())
}

/// While it was gone somebody has settled its claim, and the other host has done the request: it must not start it too.
#[test]
fn a_claim_that_was_settled_meanwhile_starts_nothing() -> Tested {
    for claimed in [false, true] {
        let mut rig = killed_with_a_claim(Sort::Quick)?;
        if claimed {
            after_claimed(&rig)?;
        }
        for name in rig.refs()?.lines().filter_map(|line| line.split(' ').next()) {
            if name.starts_with("refs/dispatch/claims/") || name.starts_with("refs/dispatch/locks/") {
                git(&rig.world, &rig.origin(), &["update-ref", "-d", name])?;
            }
        }
        assert_eq!(rig.run(2)?.exit, Some(0));
        assert_eq!(recorded_by(&rig)?, "host2");
        assert_eq!(rig.run(1)?.exit, Some(0));
        assert!(state_at(&rig, 1)?.is_settled(), "{:?}", state_at(&rig, 1)?);
        ends_well(rig)?;
    }
    Ok(())
}
