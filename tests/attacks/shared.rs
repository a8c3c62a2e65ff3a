//! One pass for many attacks: what was seen in it is kept for the tests that look at one attack each.
//!
//! Where each test is a process of its own (cargo-nextest), it is kept in a file of that run; the first who needs it makes it, the others wait.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Serialize};

use crate::stage::{Stage, Try, User};
use crate::table::{ATTACKS, Attack, Surroundings};

/// What was seen of one script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    pub attack: String,
    pub kind: String,
    pub reached: Vec<String>,
    /// It ran at the level it was to run at, and came to its end or to where it was ended for what it did.
    pub as_it_should: bool,
    /// Everything about it, for who has to find out why.
    pub told: String,
}

/// What an attack reaches at a level, through the program.
pub fn seen(attack: &'static Attack, level: &'static str, user: User) -> Result<Vec<Seen>, String> {
    let all = if attack.alone { pass(&[attack], level, user) } else { shared_pass(level, user) };
    let own = |seen: Vec<Seen>| seen.into_iter().filter(|one| one.attack == attack.name).collect::<Vec<_>>();
    match all.map(own) {
        Ok(seen) if seen.len() != attack.scripts.len() => Err(format!("only {} of its scripts were tried", seen.len())),
        other => other,
    }
}

/// What an attack reaches without the program.
pub fn by_hand(attack: &Attack, user: User) -> Result<Vec<Seen>, String> {
    let run = || {
        let mut stage = Stage::new(user, &[attack])?;
        let tries = stage.by_hand(attack)?;
        let seen = judge(&stage, &[attack], &tries, "");
        stage.close().map(|()| seen)
    };
    run().map_err(|error: io::Error| error.to_string())
}

fn pass(attacks: &[&Attack], level: &str, user: User) -> Result<Vec<Seen>, String> {
    let run = || {
        let mut stage = Stage::new(user, attacks)?;
        let tries = stage.dispatch(attacks, level)?;
        let seen = judge(&stage, attacks, &tries, level);
        stage.close().map(|()| seen)
    };
    run().map_err(|error: io::Error| error.to_string())
}

fn judge(stage: &Stage, attacks: &[&Attack], tries: &[Try], level: &str) -> Vec<Seen> {
    let judged = tries.iter().map(|one| {
        let attack = attacks.iter().find(|attack| attack.name == one.attack).expect("its own attack");
        // A bomb may be ended for what it did.
        let came = one.output.contains("TRIED") || one.output.contains("ALLOCATED");
        let ran = came && one.status.contains(&format!("level: {level}"));
        // What a killed dispatcher knew is gone with it.
        let interrupted = one.status.contains("outcome: indeterminate");
        Seen {
            attack: one.attack.to_owned(),
            kind: one.kind.clone(),
            reached: (attack.evidence)(stage, one),
            as_it_should: if attack.surroundings == Surroundings::Killed { interrupted } else { ran },
            told: one.told(),
        }
    });
    judged.collect()
}

type Shared = Result<Vec<Seen>, String>;
/// By level and user.
type Passes = BTreeMap<(&'static str, &'static str), Arc<OnceLock<Shared>>>;

fn shared_pass(level: &'static str, user: User) -> Shared {
    static PASSES: Mutex<Passes> = Mutex::new(Passes::new());
    let cell = {
        let mut passes = PASSES.lock().expect("nobody panics while holding it");
        Arc::clone(passes.entry((level, user.word())).or_default())
    };
    cell.get_or_init(|| match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) => kept(&run, level, user).unwrap_or_else(|error| Err(error.to_string())),
        Err(_) => everybodys(level, user),
    })
    .clone()
}

/// All that need no pass of their own. At `none` those that it does not contain.
fn everybodys(level: &str, user: User) -> Shared {
    let takes_part = |attack: &&Attack| !attack.alone && (level != "none" || attack.control.is_at_none(user));
    pass(&ATTACKS.iter().filter(takes_part).collect::<Vec<_>>(), level, user)
}

fn kept(run: &str, level: &str, user: User) -> io::Result<Shared> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("attacks-{run}-{level}-{}.json", user.word()));
    // Held until this process has an answer.
    let lock = File::create(folder.join(format!("attacks-{level}-{}.lock", user.word())))?;
    lock.lock()?;
    if let Ok(text) = fs::read(&path) {
        return Ok(serde_json::from_slice(&text)?);
    }
    for other in earlier(folder, run, &format!("-{level}-{}.json", user.word()))? {
        let _ = fs::remove_file(other);
    }
    let found = everybodys(level, user);
    fs::write(&path, serde_json::to_vec(&found)?)?;
    Ok(found)
}

/// What earlier runs have kept.
fn earlier(folder: &Path, run: &str, end: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("attacks-") && name.ends_with(end) && !name.contains(run) {
            found.push(path);
        }
    }
    Ok(found)
}
