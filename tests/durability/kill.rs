//! SIGKILL at random times: of the dispatcher, of its git, of a process of its sandboxes, of its process group, and of
//! everything at once while somebody else pushes. The next dispatcher starts at once, whatever still comes to its end.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::checker;
use crate::leftovers;
use crate::processes::{self, Process, Role};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{Plan, Random, Remote, Rig, git, until, wait};

/// Faults of one round: what is done to one origin before it has to settle.
const FAULTS_A_ROUND: u64 = 60;
/// Of the slice that the tests have time for.
const FAULTS_OF_THE_SLICE: u64 = 25;
/// How long a victim that is not there is waited for.
const PATIENCE: Duration = Duration::from_millis(400);
/// Nothing that a dispatcher does takes longer.
const PASS_MAX: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Dispatcher,
    Git,
    Sandbox,
    Group,
    Everything,
}

const VICTIMS: [Victim; 5] = [Victim::Dispatcher, Victim::Git, Victim::Sandbox, Victim::Group, Victim::Everything];

/// What is waited for before a victim is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Some time.
    Any,
    /// A handler has begun.
    Begun,
    /// Git pushes.
    Pushing,
}

const MOMENTS: [Moment; 5] = [Moment::Any, Moment::Any, Moment::Any, Moment::Begun, Moment::Pushing];

/// What a dispatcher was doing when it was ended, by its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It had not written anything, and there was nothing to take up.
    Start,
    /// It had not written anything, and there was something to take up.
    Recovery,
    /// A handler was started.
    Run,
    /// Something had ended and was not known to be on main.
    Publish,
    /// Everything that it knew of was done, or not begun.
    Idle,
    /// The dispatcher lived on.
    LivesOn,
}

type Tally = BTreeMap<(Victim, Phase), u64>;

#[test]
fn campaign_kill() -> io::Result<()> {
    let seed = seed();
    let until = Instant::now() + budget(Duration::from_mins(2));
    let mut random = Random::new(seed);
    let mut report = Report::new("SIGKILL at a random time");
    let mut tally = Tally::new();
    loop {
        let faults = if is_long() { FAULTS_A_ROUND } else { FAULTS_OF_THE_SLICE };
        let plan = if is_long() { some_plan(&mut random) } else { Plan { seed, ..Plan::default() } };
        round(&mut report, &mut random, &mut tally, Plan { in_memory: true, ..plan }, faults, until)?;
        if !is_long() || !report.is_clean() || Instant::now() > until {
            break;
        }
    }
    for ((victim, phase), times) in &tally {
        eprintln!("  {times:6} of {victim:?} in {phase:?}");
    }
    report.end(seed);
    Ok(())
}

/// One host on an origin most of the time; or two with claims, or one without a remote.
fn some_plan(random: &mut Random) -> Plan {
    let plan = Plan { seed: random.next(), ..Plan::default() };
    match random.below(4) {
        0 => Plan { hosts: 2, claims: "remote", ..plan },
        1 => Plan { remote: Remote::None, ..plan },
        _ => plan,
    }
}

/// One origin: faults, then it has to settle and to be whole.
fn round(
    report: &mut Report,
    random: &mut Random,
    tally: &mut Tally,
    plan: Plan,
    faults: u64,
    until: Instant,
) -> io::Result<()> {
    let mut rig = Rig::new(plan)?;
    let mut done = 0;
    while done < faults && (Instant::now() < until || done == 0) {
        if rig.submissions.is_empty() || random.once_in(2) {
            let count = usize::try_from(random.below(3) + 1).expect("small");
            rig.submit(count)?;
        }
        let host = usize::try_from(random.below(rig.plan.hosts as u64)).expect("small") + 1;
        // The other one is left alone, and may meet whatever this one leaves.
        let other = 3 - host;
        let companion = if rig.plan.hosts > 1 && random.once_in(2) { Some(rig.start(other)?) } else { None };
        let victims = one_pass(&mut rig, host, random, tally)?;
        done += victims.len() as u64;
        if let Some(mut companion) = companion {
            wait(&mut companion, PASS_MAX)?;
        }
        if victims.contains(&Victim::Everything) {
            mend_other_side(&rig)?;
        }
    }
    mend_other_side(&rig)?;
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    let requests = rig.submissions.len() as u64;
    found.extend(rig.close());
    report.add(done, requests, found);
    Ok(())
}

/// Starts a dispatcher and does faults to it until it is gone; gives to whom.
fn one_pass(rig: &mut Rig, host: usize, random: &mut Random, tally: &mut Tally) -> io::Result<Vec<Victim>> {
    let before = Ledger::read(&rig.state_of(host));
    let mut child = rig.start(host)?;
    let mut victims = Vec::new();
    loop {
        if comes_to_its_end_before(rig, &mut child, random)? {
            return Ok(victims);
        }
        let victim = *random.choose(&VICTIMS);
        match victim {
            Victim::Dispatcher => child.kill()?,
            Victim::Group => _ = kill_process_group(group_of(&child), Signal::KILL),
            Victim::Everything => end_everything(rig, &mut child, random)?,
            Victim::Git | Victim::Sandbox => {
                let role = if victim == Victim::Git { Role::Git } else { Role::Sandbox };
                if end_one(rig, &mut child, role, random)? {
                    victims.push(victim);
                    *tally.entry((victim, Phase::LivesOn)).or_default() += 1;
                }
                continue;
            }
        }
        wait(&mut child, PASS_MAX)?;
        let phase = Ledger::read(&rig.state_of(host)).phase(&before);
        *tally.entry((victim, phase)).or_default() += 1;
        victims.push(victim);
        return Ok(victims);
    }
}

fn group_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits for the moment of the next fault; true where the dispatcher is gone by then.
fn comes_to_its_end_before(rig: &Rig, child: &mut Child, random: &mut Random) -> io::Result<bool> {
    let moment = *random.choose(&MOMENTS);
    let reported = rig.witness.size();
    let deadline = Instant::now() + PATIENCE;
    let has_come = |child: &Child| match moment {
        Moment::Any => true,
        Moment::Begun => rig.witness.size() > reported,
        Moment::Pushing => processes::below(child.id(), &rig.origin()).iter().any(|process| process.is("push")),
    };
    while !has_come(child) && Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    // Everything from the first moment to the last of a pass, and the early ones, where most happens, more often.
    let most =
        if moment == Moment::Any { *random.choose(&[5, 30, 100, 250, 600]) } else { *random.choose(&[1, 10, 40]) };
    ended_within(child, Duration::from_micros(random.below(most * 1000)))
}

/// Whether the dispatcher came to its own end within a time.
fn ended_within(child: &mut Child, time: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + time;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(left.min(Duration::from_millis(2)));
    }
}

/// Ends one process of a role as soon as there is one; false where there was none for a while.
fn end_one(rig: &Rig, child: &mut Child, role: Role, random: &mut Random) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && child.try_wait()?.is_none() {
        let there: Vec<Process> =
            processes::below(child.id(), &rig.origin()).into_iter().filter(|process| process.role == role).collect();
        if !there.is_empty() && processes::end(random.choose(&there).id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Another writer is in the middle of a push, and the machine goes away under both.
fn end_everything(rig: &mut Rig, child: &mut Child, random: &mut Random) -> io::Result<()> {
    let origin = rig.origin();
    if rig.plan.remote == Remote::None {
        let all = processes::below(child.id(), &origin);
        child.kill()?;
        for process in all {
            processes::end(process.id);
        }
        return Ok(());
    }
    let (commit, mut push) = start_push(rig)?;
    std::thread::sleep(Duration::from_micros(random.below(20_000)));
    let all = [child.id(), push.id()].into_iter().flat_map(|root| processes::below(root, &origin));
    let all: Vec<i32> = all.map(|process| process.id).collect();
    child.kill()?;
    push.kill()?;
    for id in all {
        processes::end(id);
    }
    push.wait()?;
    // What was on its way may still arrive: nobody asks before the other side has come to rest.
    until("the other side is at rest", PASS_MAX, || !processes::is_busy(&origin))?;
    if git(&rig.world, &origin, &["merge-base", "--is-ancestor", &commit, "refs/heads/main"]).is_ok() {
        rig.commits.insert(commit);
    }
    Ok(())
}

/// Commits something that is nobody's business, and begins to push it.
fn start_push(rig: &mut Rig) -> io::Result<(String, Child)> {
    let clone = rig.world.path("clone");
    clear(&clone.join(".git"))?;
    git(&rig.world, &clone, &["fetch", "-q", "origin"])?;
    git(&rig.world, &clone, &["reset", "-q", "--hard", "origin/main"])?;
    rig.number += 1;
    rig.world.write("notes/race.txt", &format!("{}\n", rig.number))?;
    git(&rig.world, &clone, &["add", "-A", "--", "notes"])?;
    git(&rig.world, &clone, &["commit", "-q", "-m", "race"])?;
    let commit = git(&rig.world, &clone, &["rev-parse", "HEAD"])?.trim().to_owned();
    let push = Command::new("git")
        .current_dir(&clone)
        .args(["push", "-q", "origin", "HEAD:refs/heads/main"])
        .env_clear()
        .envs(rig.world.environment())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((commit, push))
}

/// What a server's owner does after a crash, and another writer: git there leaves locks and half a push, which only they may
/// clear. What the dispatcher's own git leaves, in the clones of people too, is the dispatcher's to clear.
pub fn mend_other_side(rig: &Rig) -> io::Result<()> {
    if rig.plan.remote == Remote::None {
        return Ok(());
    }
    let others = [rig.origin(), rig.world.path("clone")];
    until("nobody works there any more", PASS_MAX, || !others.iter().any(|folder| processes::is_busy(folder)))?;
    clear(&rig.origin_git_dir())?;
    clear(&rig.world.path("clone/.git"))
}

fn clear(git_dir: &Path) -> io::Result<()> {
    for path in leftovers::in_repository(git_dir) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What a journal says, read from a copy: whoever opens the file itself would mend it.
#[derive(Default)]
struct Ledger {
    steps: i64,
    phases: Vec<String>,
}

impl Ledger {
    fn read(state: &Path) -> Self {
        Self::try_read(state).unwrap_or_default()
    }

    fn try_read(state: &Path) -> Option<Self> {
        let copy = tempfile::tempdir().ok()?;
        for name in ["journal.db", "journal.db-wal"] {
            let from = state.join(name);
            if from.exists() {
                fs::copy(from, copy.path().join(name)).ok()?;
            }
        }
        let db = Connection::open(copy.path().join("journal.db")).ok()?;
        let steps = db.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0)).ok()?;
        let mut open = db.prepare("SELECT phase FROM request WHERE phase NOT IN ('published', 'withdrawn')").ok()?;
        let phases = open.query_map([], |row| row.get(0)).ok()?.collect::<Result<_, _>>().ok()?;
        Some(Self { steps, phases })
    }

    fn phase(&self, before: &Self) -> Phase {
        let any = |phases: &[&str]| self.phases.iter().any(|phase| phases.contains(&phase.as_str()));
        let begun = any(&["running", "acting", "retrying", "ended", "built"]);
        match () {
            () if self.steps == before.steps && begun => Phase::Recovery,
            () if self.steps == before.steps => Phase::Start,
            () if any(&["running", "acting", "retrying"]) => Phase::Run,
            () if begun => Phase::Publish,
            () => Phase::Idle,
        }
    }
}
