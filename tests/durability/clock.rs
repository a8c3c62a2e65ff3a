//! The wall clock of a dispatcher is set, back and forth, while it works and between its passes. Nothing may come of it:
//! not another order, not a wait, not an end before the time, and no span that it did not take.
//!
//! Only the dispatcher sees it (libfaketime in front of its calls, with an offset in a file); handlers, git and the
//! monotonic clock go on as they are.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use codex_dispatch::record::Record;

use crate::checker::{self, Fault, Violation};
use crate::report::{Report, budget, seed};
use crate::rig::{Plan, Random, Rig, git};

/// Steps, in seconds.
const STEPS: [i64; 6] = [-86_400, -3_600, -90, 90, 3_600, 86_400];
/// How far it may go away from the true time, so that it stays in the years.
const FAR: i64 = 10 * 86_400;
/// What no single handler of the rig takes.
const SPAN_MAX: Duration = Duration::from_mins(10);

/// The offset that the dispatcher's clock has.
struct Wall {
    file: PathBuf,
    offset: i64,
    random: Random,
    steps: u64,
}

impl Wall {
    fn step(&mut self) -> io::Result<()> {
        let step = *self.random.choose(&STEPS);
        self.offset += if (self.offset + step).abs() > FAR { -step } else { step };
        self.steps += 1;
        // A reader must not find half of it.
        let draft = self.file.with_extension("new");
        fs::write(&draft, format!("{:+}s\n", self.offset))?;
        fs::rename(draft, &self.file)
    }
}

/// Where Debian and others have it.
fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].into_iter().map(PathBuf::from);
    let below = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.chain(below).map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// One rig: what is submitted, run and judged while its clock is set. Gives the steps, the requests, and what is wrong.
fn round(seed: u64, library: &str) -> io::Result<(u64, u64, Vec<Violation>)> {
    let mut rig = Rig::new(Plan { seed, ..Plan::default() })?;
    let file = rig.world.path("clock");
    let mut wall = Wall { file, offset: 0, random: Random::new(seed ^ 0xc10c), steps: 0 };
    wall.step()?;
    for (name, value) in [
        ("LD_PRELOAD", library.to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", wall.file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ] {
        rig.variables.push((name.to_owned(), value));
    }
    let mut found = Vec::new();
    for _ in 0..3 {
        rig.submit(5)?;
        let mut child = rig.start(1)?;
        let deadline = Instant::now() + Duration::from_mins(2);
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                let status = crate::rig::kill(&mut child)?;
                found.push(Violation::new(Fault::Restless, "a pass waited for a time that does not come"));
                break status;
            }
            wall.step()?;
            std::thread::sleep(Duration::from_millis(wall.random.below(40)));
        };
        if ended.code() != Some(0) {
            found.push(Violation::new(Fault::Restless, format!("a pass ended with {ended}: {}", rig.printed(1))));
        }
        // Between passes.
        wall.step()?;
    }
    found.extend(rig.settle()?);
    let mut evidence = rig.evidence()?;
    // As strict as if nobody had touched the clock.
    evidence.disturbed = false;
    found.extend(checker::judge(&evidence)?);
    found.extend(spans(&rig)?);
    let requests = rig.submissions.len() as u64;
    found.extend(rig.close());
    Ok((wall.steps, requests, found))
}

/// The spans of records whose handler ran once: what it took, and not what the clock was moved by.
fn spans(rig: &Rig) -> io::Result<Vec<Violation>> {
    let mut found = Vec::new();
    let listing = git(&rig.world, &rig.origin(), &["ls-tree", "-r", "--name-only", "main", "logs"])?;
    for path in listing.lines().filter(|path| path.ends_with("/status.yml")) {
        let text = git(&rig.world, &rig.origin(), &["show", &format!("main:{path}")])?;
        let Ok(record) = Record::from_yaml(path, text.as_bytes()) else { continue };
        let [attempt] = &record.attempts[..] else { continue };
        let span = Duration::from_millis(record.duration_ms.unwrap_or_default());
        if span > SPAN_MAX || attempt.finished_at.is_some_and(|end| end < attempt.started_at) {
            let words = format!("it says that it took {span:?}, up to {:?}", attempt.finished_at);
            found.push(Violation::of(Fault::Untrue, &record.id.to_string(), words));
        }
    }
    Ok(found)
}

#[test]
fn campaign_clock() {
    let Some(library) = library() else {
        eprintln!("SKIPPED: there is no libfaketime here to set a dispatcher's clock with (Debian: faketime)");
        return;
    };
    let seed = seed();
    let mut report = Report::new("clock steps");
    let until = Instant::now() + budget(Duration::from_secs(6));
    for number in 0.. {
        let (steps, requests, found) = round(seed.wrapping_add(number), &library.display().to_string()).expect("a rig");
        report.add(steps, requests, found);
        if Instant::now() > until || !report.is_clean() {
            break;
        }
    }
    report.end(seed);
}
