//! Without any fault everything must be as it should; and with forged evidence the checker must see each fault.

use std::io;

use crate::checker::{self, Violation};
use crate::report::{Report, seed};
use crate::rig::{Plan, Remote, Rig};

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
