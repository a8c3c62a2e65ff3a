//! Dispatchers that are stopped (SIGSTOP) at any moment and wake late: what others have settled meanwhile they do not start,
//! and they publish nothing twice.

use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::checker::{self, Violation};
use crate::report::{Report, budget, seed};
use crate::rig::{PASS_TIMEOUT, Plan, Rig, git, until, wait};
use crate::witness::{Sort, Word};

type Tested = io::Result<()>;

/// Requests of a round.
const REQUESTS: usize = 24;
/// Stops of a round; then everybody may come to an end.
const STOPS: u64 = 12;

/// Sends a signal to a process, or with `group` to all that it has started too.
fn signal(child: &Child, name: &str, group: bool) -> Tested {
    let whom = if group { format!("-{}", child.id()) } else { child.id().to_string() };
    let sent = Command::new("kill").args([&format!("-{name}"), "--", &whom]).status()?;
    // One that has ended meanwhile is none to stop.
    let _ = sent;
    Ok(())
}

/// A host's dispatcher, until when it is left alone, and whether it is stopped with or without its group.
struct Host {
    child: Child,
    next: Instant,
    stopped: Option<bool>,
}

/// Three dispatchers on one origin, one of which stands still for a while, and then another.
#[test]
fn campaign_pause() -> Tested {
    let mut seed = seed();
    let end = Instant::now() + budget(Duration::from_secs(1));
    let mut report = Report::new("SIGSTOP of one of three dispatchers");
    loop {
        let (stops, found) = round(seed)?;
        report.add(stops, REQUESTS as u64, found);
        if !report.is_clean() || Instant::now() >= end {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    report.end(seed);
    Ok(())
}

fn round(seed: u64) -> io::Result<(u64, Vec<Violation>)> {
    let mut rig = Rig::new(Plan { seed, hosts: 3, claims: "remote", places: 5, ..Plan::default() })?;
    rig.submit(REQUESTS / 2)?;
    let mut hosts: Vec<Host> = Vec::new();
    for host in 1..=3 {
        let child = rig.start(host)?;
        hosts.push(Host { child, next: Instant::now(), stopped: None });
    }
    let (mut stops, mut late) = (0, true);
    let deadline = Instant::now() + PASS_TIMEOUT;
    while stops < STOPS && Instant::now() < deadline {
        let others_go = hosts.iter().all(|host| host.stopped.is_none());
        for (index, host) in hosts.iter_mut().enumerate() {
            if let Some(group) = host.stopped.filter(|_| Instant::now() >= host.next) {
                signal(&host.child, "CONT", group)?;
                host.stopped = None;
                host.next = Instant::now() + Duration::from_millis(rig.random.below(300));
            } else if host.stopped.is_none() && host.child.try_wait()?.is_some() {
                host.child = rig.start(index + 1)?;
                host.next = Instant::now() + Duration::from_millis(rig.random.below(600));
            } else if others_go && host.stopped.is_none() && Instant::now() >= host.next && rig.random.once_in(3) {
                let group = rig.random.once_in(2);
                signal(&host.child, "STOP", group)?;
                host.stopped = Some(group);
                host.next = Instant::now() + Duration::from_millis(100 + rig.random.below(1_500));
                stops += 1;
                break;
            }
        }
        if stops == STOPS / 2 && std::mem::take(&mut late) {
            // The rest arrives in the middle of it.
            rig.submit(REQUESTS / 2)?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for host in &mut hosts {
        if let Some(group) = host.stopped {
            signal(&host.child, "CONT", group)?;
        }
        wait(&mut host.child, PASS_TIMEOUT)?;
    }
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    Ok((stops, found))
}

/// One state folder has one dispatcher, also where that one stands still: a second one is told so and touches nothing.
#[test]
fn a_stopped_dispatcher_keeps_its_state_folder() -> Tested {
    let mut rig = Rig::new(Plan::default())?;
    rig.submit_these(&[Sort::Gated, Sort::Invalid])?;
    let mut child = rig.start(1)?;
    let id = rig.submissions[0].id.clone();
    rig.witness.begun(&id)?;
    signal(&child, "STOP", false)?;
    let tip = rig.tip()?;
    for verb in ["run", "adopt"] {
        let second = rig.verb(1, &[verb]).output()?;
        let words = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(75), "{verb}: {words}");
        assert!(words.contains("another dispatcher works on the state folder"), "{verb}: {words}");
    }
    assert_eq!(rig.tip()?, tip);
    rig.witness.open_gate()?;
    signal(&child, "CONT", false)?;
    assert_eq!(wait(&mut child, PASS_TIMEOUT)?.code(), Some(0));
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    assert_eq!(found, []);
    Ok(())
}

/// A host stands still in the middle of a request, is taken for gone, and a person settles what it had. It wakes up late: the
/// handler comes to its end, and main keeps the one record that it has.
#[test]
fn a_host_that_wakes_late_writes_no_second_record() -> Tested {
    let mut rig = Rig::new(Plan { hosts: 2, claims: "remote", ..Plan::default() })?;
    for host in 1..=2 {
        assert_eq!(rig.run(host)?.exit, Some(0));
    }
    rig.submit_these(&[Sort::Gated])?;
    let id = rig.submissions[0].id.clone();
    let mut child = rig.start(1)?;
    rig.witness.begun(&id)?;
    signal(&child, "STOP", false)?;
    // The other one sees that it is claimed, and leaves it alone.
    assert_eq!(rig.run(2)?.exit, Some(0));
    let mut resolve = rig.verb(2, &["resolve", &id, "--failed", "-m", "the machine is gone"]);
    let said = rig.run_command(2, &mut resolve)?;
    assert_eq!(said.exit, Some(0), "{}", said.stderr);
    let ended = rig.run(2)?;
    let recorded =
        || git(&rig.world, &rig.origin(), &["log", "--format=%h %s", &format!("--grep=Dispatch-Id: {id}"), "main"]);
    assert_eq!(recorded()?.lines().count(), 1, "{}\n{}", ended.stderr, recorded()?);
    rig.witness.open_gate()?;
    signal(&child, "CONT", false)?;
    let status = wait(&mut child, PASS_TIMEOUT)?;
    assert_eq!(status.code(), Some(0), "{}", rig.printed(1));
    assert_eq!(recorded()?.lines().count(), 1, "{}\n{}", rig.printed(1), recorded()?);
    assert_eq!(rig.settle()?, []);
    let begun = rig.witness.events()?.into_iter().filter(|event| event.word == Word::Begin).count();
    assert_eq!(begun, 1);
    until("nothing of it is left", PASS_TIMEOUT, || rig.refs().is_ok_and(|refs| !refs.contains("/claims/")))?;
    assert_eq!(rig.close(), []);
    Ok(())
}
