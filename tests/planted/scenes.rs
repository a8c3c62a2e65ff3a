//! What is done to the program to show a bug. Each scene is played twice, with the bug and without it, and gives what the
//! checks find.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use codex_dispatch::planted::Bug;

use crate::checker::{self, Fault, Violation};
use crate::rig::{Plan, Remote, Rig, kill, until, wait};
use crate::trace::Trace;
use crate::witness::Sort;

type Found = io::Result<Vec<Violation>>;

/// How long anything may take that a scene waits for.
const PATIENCE: Duration = Duration::from_mins(1);

fn rig(bug: Option<Bug>, plan: Plan) -> io::Result<Rig> {
    let mut rig = Rig::new(Plan { places: 1, ..plan })?;
    rig.variables.extend(bug.map(|bug| ("DISPATCH_PLANT".to_owned(), bug.name().to_owned())));
    Ok(rig)
}

/// Settles, judges and ends.
fn judged(mut rig: Rig, disturbed: bool) -> Found {
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    evidence.disturbed = disturbed;
    found.extend(checker::judge(&evidence)?);
    found.extend(rig.close());
    Ok(found)
}

/// Requests, one list a commit, and nothing else happens.
pub fn undisturbed(bug: Option<Bug>, commits: &[&[Sort]]) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    commits.iter().try_for_each(|sorts| rig.submit_these(sorts))?;
    judged(rig, false)
}

/// A request that runs until the scene wants it to end: its dispatcher, and its id.
fn in_the_middle(rig: &mut Rig) -> io::Result<(std::process::Child, String)> {
    rig.submit_these(&[Sort::Gated])?;
    let id = rig.submissions.last().expect("just submitted").id.clone();
    let child = rig.start(1)?;
    rig.witness.begun(&id)?;
    Ok((child, id))
}

/// The dispatcher and its group are killed in the middle of a run.
pub fn killed(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    let (mut child, _) = in_the_middle(&mut rig)?;
    kill(&mut child)?;
    rig.witness.open_gate()?;
    // The same program, but what it does late it need not do late again.
    if bug == Some(Bug::LateStart) {
        rig.variables.clear();
    }
    judged(rig, true)
}

/// Killed, and the state folder is gone: nothing knows of the run any more but a record of an earlier one on main.
pub fn state_is_lost(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    rig.submit_these(&[Sort::Quick])?;
    let mut found = rig.settle()?;
    let (mut child, _) = in_the_middle(&mut rig)?;
    kill(&mut child)?;
    fs::remove_dir_all(rig.state_of(1))?;
    rig.witness.open_gate()?;
    let ended = rig.run(1)?;
    if bug.is_none() && ended.exit != Some(75) {
        found.push(Violation::new(Fault::Restless, format!("a stranger's records, and {:?}", ended.exit)));
    }
    let mut evidence = rig.evidence()?;
    evidence.settled = false;
    found.extend(checker::judge(&evidence)?);
    found.extend(rig.close());
    Ok(found)
}

fn two_hosts() -> Plan {
    Plan { hosts: 2, claims: "remote", ..Plan::default() }
}

/// What both hosts have done so far; with a bug there may be no end to what follows.
fn judged_so_far(rig: Rig, bug: Option<Bug>) -> Found {
    if bug.is_none() {
        return judged(rig, false);
    }
    let mut evidence = rig.evidence()?;
    evidence.settled = false;
    let mut found = checker::judge(&evidence)?;
    found.extend(rig.close());
    Ok(found)
}

/// A second host comes while the first one runs a request.
pub fn claimed_by_another(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, two_hosts())?;
    let (mut first, _) = in_the_middle(&mut rig)?;
    let mut second = rig.start(2)?;
    let mut is_over = || second.try_wait().is_ok_and(|status| status.is_some());
    let witness = rig.witness.clone();
    until("the second host is done or runs it too", PATIENCE, || {
        is_over() || witness.events().is_ok_and(|events| events.len() > 1)
    })?;
    rig.witness.open_gate()?;
    wait(&mut first, PATIENCE)?;
    wait(&mut second, PATIENCE)?;
    judged_so_far(rig, bug)
}

/// The claim of a second host is held up on its way; when it arrives, the first one has claimed and recorded the request.
pub fn claim_comes_late(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, two_hosts())?;
    // Both names are known and both remotes proven before it.
    rig.submit_these(&[Sort::Quick])?;
    let mut found = rig.settle()?;
    rig.submit_these(&[Sort::Quick])?;
    let (held, go) = (rig.world.path("held"), rig.world.path("go"));
    let script = format!(
        "while read -r _ new _; do\n\
         git cat-file commit $new | grep -q '^Dispatch-Node: host2$' || continue\n\
         touch '{}'\nuntil [ -e '{}' ]; do sleep 0.01; done\ndone\nexit 0\n",
        held.display(),
        go.display()
    );
    hook(&rig, "pre-receive", &script)?;
    let mut second = rig.start(2)?;
    until("the second host's claim is on its way", PATIENCE, || held.exists())?;
    let ended = rig.run(1)?;
    if ended.exit != Some(0) {
        found.push(Violation::new(Fault::Restless, format!("host1 ends with {:?}: {}", ended.exit, ended.stderr)));
    }
    fs::write(go, "")?;
    wait(&mut second, PATIENCE)?;
    found.extend(judged_so_far(rig, bug)?);
    Ok(found)
}

/// Another writer pushes between the look at main and the push.
pub fn raced(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    let (mut child, _) = in_the_middle(&mut rig)?;
    rig.foreign()?;
    rig.witness.open_gate()?;
    wait(&mut child, PATIENCE)?;
    judged(rig, false)
}

/// The author edits the request after it was started.
pub fn edited(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    let (mut child, _) = in_the_middle(&mut rig)?;
    rig.edit(0)?;
    rig.witness.open_gate()?;
    wait(&mut child, PATIENCE)?;
    judged(rig, true)
}

/// Another writer puts a file where the record would go.
pub fn place_is_taken(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    let (mut child, _) = in_the_middle(&mut rig)?;
    let path = rig.submissions[0].path.replacen("requests/", "logs/", 1);
    let place = path.trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
    rig.commit("forged", &[(format!("{place}/status.yml"), Some("status: success\n".to_owned()))])?;
    rig.witness.open_gate()?;
    wait(&mut child, PATIENCE)?;
    judged(rig, false)
}

fn hook(rig: &Rig, name: &str, script: &str) -> io::Result<()> {
    let path = rig.origin().join("hooks").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// A hook declines whatever is pushed, until somebody takes it away.
pub fn declined(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    // What a server has taken once is not tried out with one record first.
    rig.submit_these(&[Sort::Quick])?;
    let mut found = rig.settle()?;
    rig.submit_these(&[Sort::Quick])?;
    hook(&rig, "pre-receive", "echo not now >&2\nexit 1\n")?;
    let mut once = rig.dispatcher(1);
    let ended = rig.run_command(1, once.args(["--push-tries", "1"]))?;
    fs::remove_file(rig.origin().join("hooks/pre-receive"))?;
    if ended.exit != Some(75) {
        found.push(Violation::new(Fault::Restless, format!("every push is declined, and {:?}", ended.exit)));
    }
    // The record may be without its output: the first server said no to all of it.
    found.extend(judged(rig, false)?);
    Ok(found)
}

/// The server has moved its branch, and the dispatcher is killed before it can know.
pub fn unanswered(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    rig.submit_these(&[Sort::Quick])?;
    let (moved, go) = (rig.world.path("moved"), rig.world.path("go"));
    let script = format!("touch '{}'\nuntil [ -e '{}' ]; do sleep 0.01; done\n", moved.display(), go.display());
    hook(&rig, "post-receive", &script)?;
    let mut child = rig.start(1)?;
    until("the server has moved its branch", PATIENCE, || moved.exists())?;
    kill(&mut child)?;
    fs::write(go, "")?;
    judged(rig, false)
}

/// A git that was killed has left its locks and temporary objects in our own repository.
pub fn littered(bug: Option<Bug>) -> Found {
    let mut rig = rig(bug, Plan::default())?;
    rig.submit_these(&[Sort::Quick])?;
    let mut found = rig.settle()?;
    let own = rig.state_of(1).join("repo.git");
    fs::write(own.join("shallow.lock"), "")?;
    fs::create_dir_all(own.join("objects/ab"))?;
    fs::write(own.join("objects/ab/tmp_obj_1"), "")?;
    found.extend(judged(rig, false)?);
    Ok(found)
}

/// One request, with every step that has to be on the disk held against what follows it.
pub fn watched(bug: Option<Bug>) -> Found {
    watch(bug, Plan::default(), None)
}

/// The same where the user's own repository is the origin.
pub fn watched_without_a_remote(bug: Option<Bug>) -> Found {
    watch(bug, Plan { remote: Remote::None, ..Plan::default() }, None)
}

/// The first sync fails as a disk would make it fail: that of the spool; and where the user's own repository is the origin,
/// that of its objects.
pub fn sync_fails(bug: Option<Bug>) -> Found {
    let mut found = watch(bug, Plan::default(), Some(""))?;
    found.extend(watch(bug, Plan { remote: Remote::None, ..Plan::default() }, Some(".git/objects"))?);
    Ok(found)
}

/// `fails`: where in the clone the first sync fails; empty: wherever it is.
fn watch(bug: Option<Bug>, plan: Plan, fails: Option<&str>) -> Found {
    let mut rig = rig(bug, plan)?;
    rig.submit_these(&[Sort::Quick])?;
    let file = rig.world.path("trace");
    let mut more = Vec::new();
    if let Some(inside) = fails {
        more = ["-e", "inject=syncfs:error=EIO:when=1"].map(str::to_owned).to_vec();
        if !inside.is_empty() {
            // Nothing else is watched then, nor fails.
            more.extend(["-P".to_owned(), rig.clone_of(1).join(inside).display().to_string()]);
        }
    }
    let mut strace = Trace::of(&rig.dispatcher(1), &file, &more);
    let ended = rig.run_command(1, &mut strace)?;
    let mut found = Trace::read(&file)?.unsynced();
    if fails.is_some() && ended.exit != Some(73) {
        found.push(Violation::new(Fault::Unsynced, format!("a sync failed, and the pass ends with {:?}", ended.exit)));
    }
    found.extend(judged(rig, fails.is_some())?);
    Ok(found)
}

/// The program and arguments of a command under another program.
pub fn under(command: &Command, program: &str, arguments: &[String]) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(arguments).arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}
