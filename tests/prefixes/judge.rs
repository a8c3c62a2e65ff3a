//! What is promised of a recovery, held against what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use codex_dispatch::journal::Journal;
use codex_dispatch::state::State;
use serde_json::Value;

use crate::copies::put_back;
use crate::frozen::Frozen;
use crate::normalise::normalise;
use crate::stage::mainline;
use crate::support::World;

/// So often a dispatcher may say that it has to be run again.
const TRIES: usize = 4;

/// What has to come of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Exit code 0, and every request that is not held settled.
    Settled,
    /// Twice the same, whatever the story has set up.
    Same,
}

/// What main says, made comparable: path, and the object or for a record its text.
type Tree = BTreeMap<String, String>;

/// Recovers twice from what was left, each time from the same copy; gives what is not as promised.
pub fn recover_twice(stage: &Frozen, left: &tempfile::TempDir, promise: Promise) -> io::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut from_there = || -> io::Result<(Option<i32>, Tree)> {
        put_back(left, stage.world.root())?;
        let exit = recover(&stage.world, promise, &mut faults)?;
        Ok((exit, tree(&stage.world)?))
    };
    let ((exit, one), (exit_again, other)) = (from_there()?, from_there()?);
    if exit != exit_again {
        faults.push(format!("two recoveries end with {exit:?} and {exit_again:?}"));
    }
    let paths: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for path in paths.into_iter().filter(|path| one.get(*path) != other.get(*path)) {
        let lines = |tree: &Tree| tree.get(path).map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        let (here, there) = (lines(&one).unwrap_or_default(), lines(&other).unwrap_or_default());
        let alone: Vec<_> = here.iter().filter(|line| !there.contains(line)).collect();
        let others: Vec<_> = there.iter().filter(|line| !here.contains(line)).collect();
        faults.push(format!("two recoveries differ in {path}: {alone:#?} and {others:#?}"));
    }
    Ok(faults)
}

fn recover(world: &World, promise: Promise, faults: &mut Vec<String>) -> io::Result<Option<i32>> {
    let clean = faults.len();
    let mut told = String::new();
    let mut exit = None;
    for _ in 0..TRIES {
        let ended = world.shell("dispatch run")?;
        exit = ended.exit;
        write!(told, "\n{:?}: {}{}", ended.exit, ended.stdout, ended.stderr).expect("a string takes everything");
        if exit != Some(75) {
            break;
        }
    }
    let before = tip(world)?;
    let again = world.shell("dispatch run")?;
    if tip(world)? != before || again.exit != exit {
        faults
            .push(format!("one more run committed, or ended with {:?}: {}{}", again.exit, again.stdout, again.stderr));
    }
    if promise == Promise::Settled {
        if exit != Some(0) {
            faults.push(format!("the recovery ended with {exit:?}"));
        }
        faults.extend(starts(world)?);
    }
    faults.extend(journal(world, promise)?);
    if faults.len() > clean {
        faults.push(told);
    }
    Ok(exit)
}

fn tip(world: &World) -> io::Result<Vec<u8>> {
    Ok(world.git(mainline(world), &["rev-parse", "refs/heads/main"])?.stdout)
}

/// The journal agrees with itself, and what is open in it lies on main, untouched.
fn journal(world: &World, promise: Promise) -> io::Result<Vec<String>> {
    let state = world.path("clone/.git/dispatch");
    let journal = Journal::open_to_read(&state).map_err(io::Error::other)?;
    let Some(journal) = journal else {
        return Ok(if promise == Promise::Settled { vec!["there is no journal".to_owned()] } else { Vec::new() });
    };
    let mut faults: Vec<String> = journal
        .contradictions()
        .map_err(io::Error::other)?
        .into_iter()
        .map(|found| format!("the journal contradicts itself about {}: {}", found.id, found.words))
        .collect();
    if promise == Promise::Same {
        return Ok(faults);
    }
    for row in journal.open_requests().map_err(io::Error::other)? {
        let there = world.git(mainline(world), &["cat-file", "-e", &format!("main:{}", row.path)])?;
        if row.state != State::Seen || !there.status.success() {
            faults.push(format!("{} is left as {:?}", row.path, row.state));
        }
    }
    Ok(faults)
}

/// At most one start of what promises that, and every start on the record of what does not.
fn starts(world: &World) -> io::Result<Vec<String>> {
    let mut begun: BTreeMap<(String, String), u64> = BTreeMap::new();
    let witness = fs::read_to_string(world.path("tmp/witness"))?;
    for line in witness.lines() {
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        let (Some(name), Some(id)) = (words.next(), words.next()) else {
            return Ok(vec![format!("the witness says `{line}`")]);
        };
        *begun.entry((name, id)).or_default() += 1;
    }
    let mut faults = Vec::new();
    let records = records(world, &mut faults)?;
    for ((name, id), times) in &begun {
        if name.starts_with("once") && *times > 1 {
            faults.push(format!("{name} of {id} was started {times} times"));
        }
        let Some(record) = records.get(id) else {
            faults.push(format!("{name} of {id} was started and has no record"));
            continue;
        };
        let told = if record["kind"] == **name {
            record["attempts"].as_array().map_or(0, Vec::len) as u64
        } else {
            of_action(record, name)
        };
        if told < *times {
            faults.push(format!("{name} of {id} was started {times} times, and its record says {told}: {record}"));
        }
    }
    for (id, record) in &records {
        let kind = record["kind"].as_str().unwrap_or_default().to_owned();
        // What is asked of the dispatcher itself starts nothing.
        let ran = kind.starts_with("dispatch.") || begun.contains_key(&(kind, id.clone()));
        if record["outcome"] == "succeeded" && record["replay_of"].is_null() && !ran {
            faults.push(format!("{id} succeeded, and nobody saw it start"));
        }
    }
    Ok(faults)
}

/// How often an action was started by its record.
fn of_action(record: &Value, name: &str) -> u64 {
    let runs = record["then"].as_array().into_iter().flatten();
    runs.filter(|run| run["name"] == name && !run["started_at"].is_null())
        .map(|run| run["starts"].as_u64().unwrap_or(1))
        .sum()
}

/// Every `status.yml` on main, by its id, of which there may be one.
fn records(world: &World, faults: &mut Vec<String>) -> io::Result<BTreeMap<String, Value>> {
    let mut records = BTreeMap::new();
    for (path, bytes) in files(world)? {
        if !path.starts_with("logs/") || !path.ends_with("/status.yml") {
            continue;
        }
        let Ok(record) = serde_yaml::from_slice::<Value>(&bytes) else { continue };
        if let Some(id) = record["id"].as_str() {
            let earlier = records.insert(id.to_owned(), record.clone());
            faults.extend(earlier.map(|_| format!("{id} has two records, one of them {path}")));
        }
    }
    Ok(records)
}

fn tree(world: &World) -> io::Result<Tree> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = world.root().display().to_string();
    let shown = |bytes: &[u8]| normalise(&String::from_utf8_lossy(bytes), &folder, host.trim());
    Ok(files(world)?.into_iter().map(|(path, bytes)| (path, comparable(&shown(&bytes)))).collect())
}

/// Without what [`normalise`] leaves: whether a digest had to be quoted, seconds with a space before their unit, how large a
/// log with times in it is, and the users of slots.
fn comparable(text: &str) -> String {
    let text = text.replace("\"[", "[").replace("]\"", "]");
    let lines = text.lines().filter(|line| !line.starts_with("    bytes: "));
    let words = lines.flat_map(|line| line.split(' ').chain(["\n"])).map(|word| {
        let seconds = word.contains('.') && word.parse::<f64>().is_ok();
        // Which slot was free first decides as which user a handler runs.
        let slot = word.trim_matches('"').parse::<u32>().is_ok_and(|uid| (60_700..60_800).contains(&uid));
        match (seconds, slot) {
            (true, _) => "[SECONDS]",
            (_, true) => "[SLOT]",
            _ => word,
        }
    });
    words.flat_map(|word| [word, " "]).collect()
}

/// The files of main.
fn files(world: &World) -> io::Result<Vec<(String, Vec<u8>)>> {
    let out = world.path("main");
    let repository = mainline(world);
    fs::create_dir(&out)?;
    world.must(&format!("git -C \"$STORY/{repository}\" archive main | tar -x -C \"$STORY/main\""))?;
    let mut found = Vec::new();
    collect(&out, &out, &mut found)?;
    fs::remove_dir_all(out)?;
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, found)?;
        } else {
            let name = path.strip_prefix(root).expect("found below it").display().to_string();
            found.push((name, fs::read(&path).unwrap_or_default()));
        }
    }
    Ok(())
}
