//! Without any fault everything must be as it should; and with forged evidence the checker must see each fault.

use std::collections::BTreeSet;
use std::io;

use crate::checker::{self, Violation};
use crate::report::{Report, seed};
use crate::rig::{PASS_TIMEOUT, Plan, Remote, Rig, git, wait};

type Tested = io::Result<()>;

/// Submits, settles, and judges as strictly as an undisturbed run deserves.
fn undisturbed(plan: Plan, requests: usize) -> io::Result<Vec<Violation>> {
    let mut rig = Rig::new(plan)?;
    rig.submit(requests)?;
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    evidence.disturbed = false;
    found.extend(checker::judge(&evidence)?);
    found.extend(rig.close());
    Ok(found)
}

#[test]
fn with_an_origin() -> Tested {
    let seed = seed();
    let mut report = Report::new("none");
    report.add(0, 30, undisturbed(Plan { seed, ..Plan::default() }, 30)?);
    report.end(seed);
    Ok(())
}

#[test]
fn without_a_remote() -> Tested {
    let seed = seed();
    let mut report = Report::new("none");
    report.add(0, 15, undisturbed(Plan { seed, remote: Remote::None, ..Plan::default() }, 15)?);
    report.end(seed);
    Ok(())
}

#[test]
fn alone_with_claims() -> Tested {
    let seed = seed();
    let mut report = Report::new("none");
    report.add(0, 12, undisturbed(Plan { seed, claims: "remote", ..Plan::default() }, 12)?);
    report.end(seed);
    Ok(())
}

/// Three dispatchers at once on one origin, each again and again while requests arrive.
#[test]
fn three_hosts_with_claims() -> Tested {
    let seed = seed();
    let mut rig = Rig::new(Plan { seed, hosts: 3, claims: "remote", ..Plan::default() })?;
    for _ in 0..2 {
        rig.submit(4)?;
        let mut children = (1..=3).map(|host| rig.start(host)).collect::<io::Result<Vec<_>>>()?;
        rig.submit(4)?;
        for child in &mut children {
            wait(child, PASS_TIMEOUT)?;
        }
    }
    let mut report = Report::new("none");
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    evidence.disturbed = false;
    found.extend(checker::judge(&evidence)?);
    let worked: BTreeSet<String> = trailers_of_states(&rig)?;
    assert!(worked.len() > 1, "only one of three hosts had anything to do");
    found.extend(rig.close());
    report.add(0, 16, found);
    report.end(seed);
    Ok(())
}

fn trailers_of_states(rig: &Rig) -> io::Result<BTreeSet<String>> {
    let text = git(&rig.world, &rig.origin(), &["log", "--format=%(trailers:key=Dispatch-State,valueonly)", "main"])?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
