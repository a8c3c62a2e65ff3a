//! The bugs of `src/planted.rs`, one at a time: each is built into the program on purpose, gets the cheapest fault that shows
//! it, and has to be found by the checks of `tests/durability/`; the same without the bug has to be clean.
//!
//! Needs the cargo feature `planted`. `caught::NAME`; the table of docs/durability.md is made of the same list, and
//! `UPDATE=1` rewrites it.

#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/checker.rs"]
mod checker;
#[path = "durability/leftovers.rs"]
mod leftovers;
#[path = "support/memory.rs"]
mod memory;
#[path = "planted/page.rs"]
mod page;
#[path = "durability/record.rs"]
mod record;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/rig.rs"]
mod rig;
#[path = "planted/scenes.rs"]
mod scenes;
#[expect(dead_code, reason = "what the stories need besides")]
mod support;
#[path = "planted/table.rs"]
mod table;
#[path = "durability/testimony.rs"]
mod testimony;
#[path = "planted/trace.rs"]
mod trace;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/witness.rs"]
mod witness;
#[allow(dead_code, reason = "a frame for every campaign: not each test program uses all of it")]
#[path = "durability/writer.rs"]
mod writer;

use std::process::ExitCode;

use codex_dispatch::planted::Bug;
use libtest_mimic::{Arguments, Failed, Trial};
use table::{Plant, TABLE};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("table::has_every_bug", every_bug_is_in_the_table),
        Trial::test("table::is_the_one_of_the_docs", || Ok(page::check()?)),
    ];
    for plant in TABLE {
        trials.push(Trial::test(format!("caught::{}", plant.bug.name()), move || caught(plant)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Found with the bug, and nothing at all without it.
fn caught(plant: &'static Plant) -> Result<(), Failed> {
    if plant.needs_trace && !trace::is_possible() {
        eprintln!("SKIPPED: strace cannot be used here, and only the order of system calls shows {}", plant.bug.name());
        return Ok(());
    }
    let sound = (plant.scene)(None)?;
    if !sound.is_empty() {
        return Err(format!("without the bug: {}", told(&sound)).into());
    }
    let found = (plant.scene)(Some(plant.bug))?;
    if found.iter().any(|violation| violation.fault == plant.caught) {
        return Ok(());
    }
    Err(format!("not found to be {}, but: {}", plant.caught.word(), told(&found)).into())
}

fn told(found: &[checker::Violation]) -> String {
    found.iter().map(checker::Violation::to_string).collect::<Vec<_>>().join("\n")
}

fn every_bug_is_in_the_table() -> Result<(), Failed> {
    for bug in Bug::ALL {
        let rows = TABLE.iter().filter(|plant| plant.bug == bug).count();
        if rows != 1 || page::places_of(bug)?.is_empty() {
            return Err(format!("{} is in {rows} rows, planted in {:?}", bug.name(), page::places_of(bug)?).into());
        }
    }
    Ok(())
}
