//! Every prefix of the journal, through recovery: the stories of `tests/prefixes/` are carried out with the dispatcher ended
//! just before and just after each of its durable steps. What is left is kept as it stands, and two recoveries of it that
//! know nothing of each other have to come to the same tree.
//!
//! The format is that of the stories in `tests/scenarios/` (`support/story.rs`); only what is set up and run counts here. Kinds
//! and actions whose names begin with `once` promise at most one start, others at least one: each writes a line
//! `begin NAME ID` to `tmp/witness`, which is ours and no part of any sandbox. What follows a `dispatch run` in a step
//! is done after the crash too, as others go on while a dispatcher is down.
//!
//! With `DISPATCH_SOAK_SECONDS` the stories of `tests/scenarios/` are gone through as well for so long, from the one on that
//! `DISPATCH_SOAK_SEED` says.

#[path = "support/copies.rs"]
mod copies;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/normalise.rs"]
mod normalise;
#[path = "support/stage.rs"]
mod stage;
#[expect(dead_code, reason = "nothing is compared with what stands in a story here")]
#[path = "support/story.rs"]
mod story;
#[expect(dead_code, reason = "others take the usual place")]
mod support;

#[path = "prefixes/frozen.rs"]
mod frozen;
#[path = "prefixes/judge.rs"]
mod judge;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use serde_json::json;

use frozen::Frozen;
use judge::Promise;
use stage::story_files;
use story::Story;

/// Where the dispatcher is ended.
#[derive(Clone, Debug)]
pub struct Point {
    /// In which of the story's runs, from 1.
    pub run: usize,
    /// At which step of that one, as `DISPATCH_CRASH` has it.
    pub step: String,
}

/// How much is tried.
#[derive(Clone, Copy)]
struct Extent {
    promise: Promise,
    until: Option<Instant>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = given("DISPATCH_SOAK_SECONDS");
    let mut trials = Vec::new();
    for path in story_files(&tests.join("prefixes")) {
        let name = path.file_stem().expect("a story has a name").to_string_lossy().into_owned();
        let extent = Extent { promise: Promise::Settled, until: None };
        trials.push(Trial::test(name, move || {
            let tried = every_point(&path, extent)?;
            let all = tried.faults.concat();
            if !tried.faults.is_empty() {
                return Err(all.into());
            }
            if tried.points < 4 {
                return Err(format!("only {} points were reached", tried.points).into());
            }
            Ok(())
        }));
    }
    if let Some(seconds) = seconds {
        let seed = given("DISPATCH_SOAK_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        let mut stories = story_files(&tests.join("scenarios"));
        // Those that end a dispatcher themselves have handlers that wait for it.
        stories.retain(|path| fs::read_to_string(path).is_ok_and(|text| !text.contains("& running=$!")));
        trials.push(Trial::test("scenarios", move || Ok(campaign(&stories, seed, seconds)?)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What came of a story.
struct Tried {
    points: usize,
    faults: Vec<String>,
}

/// The stories of others, one after the other, for as long as there is time.
fn campaign(stories: &[PathBuf], seed: u64, seconds: u64) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let extent = Extent { promise: Promise::Same, until: Some(until) };
    let (mut points, mut faults, mut told) = (0, Vec::new(), 0);
    let first = usize::try_from(seed % stories.len() as u64).expect("below a length");
    for path in stories.iter().cycle().skip(first).take(stories.len()) {
        if Instant::now() > until {
            break;
        }
        let tried = every_point(path, extent)?;
        points += tried.points;
        faults.extend(tried.faults);
        told += 1;
    }
    eprintln!("stories ended at every step: {points} points of {told} stories, {} faults", faults.len());
    if let Some(report) = std::env::var_os("DISPATCH_SOAK_REPORT") {
        let line = json!({
            "fault": "crash at a step of the journal", "faults": points, "requests": told,
            "lost": faults.len(), "duplicated": 0, "torn": 0,
        });
        let file = fs::OpenOptions::new().create(true).append(true).open(report);
        file.and_then(|mut file| io::Write::write_all(&mut file, format!("{line}\n").as_bytes()))
            .map_err(|error| error.to_string())?;
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("DISPATCH_SOAK_SEED={seed}:\n{}", faults.concat())) }
}

/// All points of one story.
fn every_point(path: &Path, extent: Extent) -> Result<Tried, String> {
    let name = path.file_stem().unwrap_or_default().display();
    let told = |error: io::Error| format!("{name}: {error}");
    let text = fs::read_to_string(path).map_err(told)?;
    let story = Story::parse(&text).map_err(|why| format!("{name}: {why}"))?;
    let staged = Frozen::staged(&story).map_err(told)?;
    let mut tried = Tried { points: 0, faults: Vec::new() };
    for run in 1.. {
        let mut runs = 0;
        for number in 1.. {
            let mut reached = true;
            // The same prefix, and the two ends of what the world may have come to meanwhile.
            for side in ["before", "after"] {
                if extent.until.is_some_and(|until| Instant::now() > until) {
                    return Ok(tried);
                }
                let point = Point { run, step: format!("{side}-append:{number}") };
                let crash = staged.crash_at(&story, &point).map_err(told)?;
                runs = crash.runs;
                reached = crash.reached;
                if !reached {
                    break;
                }
                tried.points += 1;
                let found = judge::recover_twice(&staged, &crash.left, extent.promise).map_err(told)?;
                tried.faults.extend(found.into_iter().map(|fault| format!("{name}, {point:?}: {fault}\n")));
            }
            if !reached {
                break;
            }
        }
        if runs <= run {
            break;
        }
    }
    staged.world.close().map_err(told)?;
    Ok(tried)
}
