//! Bare `dispatch`: where things stand, who runs it, the last failure and what to type next. Starts nothing.

use std::path::Path;

use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::home::{FetchArgs, Home};
use super::{PlaceArgs, render, why};
use crate::clock::{Clock, System};
use crate::durable;
use crate::host_status::{Counts, HostStatus};
use crate::lock::Instance;
use crate::record::visible;

/// A folder with less is full: a journal cannot be opened there.
const FULL_BYTES: u64 = 256 << 10;
const FULL_FILES: u64 = 8;

/// Answers a command line without a verb.
pub fn answer(place: &PlaceArgs, json: bool, fetch: &FetchArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view_for(fetch)?;
    let repo = home.reader()?;
    let (origin, branch) = (repo.origin().to_string(), repo.branch().to_owned());
    let runs = home.state.root().is_dir() && Instance::is_held(home.state.root());
    let pending = view.pending()?;
    let ended = view.ended(200)?;
    // What a person has settled is no trouble any more.
    let failure = ended.iter().find(|line| line.state != "succeeded" && line.resolved.is_none());
    let standing = view.standing();
    if json {
        render::print_json(&serde_json::json!({
            "v": 1, "origin": origin, "branch": branch, "tip": view.tip(), "state_folder": home.state.root(),
            "running": runs, "closed": home.closed().is_some(), "pending": pending, "last_failure": failure, "last_pass": standing,
            "faults": view.faults()?, "hosts": view.hosts(), "pauses": view.pauses(),
        }));
        return Ok(Exit::Done);
    }
    render::print(format!("{branch} of {origin}"));
    let closed = home.closed();
    render::print(match (runs, standing) {
        _ if closed.is_some() => closed.unwrap_or_default(),
        (true, Some(standing)) if standing.stopping => format!(
            "the dispatcher (process {}) was told to stop: it waits for what runs and takes nothing new",
            standing.pid
        ),
        (true, Some(standing)) => format!("a dispatcher works here now (process {})", standing.pid),
        (true, None) => "a dispatcher works here now".to_owned(),
        (false, Some(standing)) => format!("no dispatcher works here now; the last pass was at {}", standing.at),
        (false, None) => "no pass has been made here yet".to_owned(),
    });
    let now = System::new().now();
    for host in view.hosts() {
        render::print(of_host(host, now));
    }
    let held = pending.iter().filter(|line| line.state == "held").count();
    render::print(format!(
        "{} pending{}, {} ended lately",
        pending.len(),
        if held > 0 { format!(" ({held} held)") } else { String::new() },
        ended.len()
    ));
    let interrupted = pending.iter().filter(|line| line.state == "interrupted").count();
    if interrupted > 0 {
        render::print(format!(
            "{interrupted} started, and the dispatcher is gone: its next pass settles what can be known"
        ));
    }
    if let Some(words) = full(home.state.root()) {
        render::print(words);
    }
    if let Some(standing) = standing {
        if standing.unpublished > 0 {
            render::print(format!("{} record(s) not published yet", standing.unpublished));
        }
        // What an open circuit says of itself has the obstacle's words in it.
        if let Some(words) = standing.obstacle.as_ref().filter(|_| standing.circuit.is_none()) {
            render::print(words);
        }
        if let Some(words) = standing.adopt.as_ref().filter(|words| standing.obstacle.as_ref() != Some(words)) {
            render::print(words);
        }
        if let Some(words) = &standing.waiting {
            render::print(words);
        }
    }
    if let Some(file) = home.paused_by() {
        render::print(format!("paused: nothing is started while `{}` exists", file.display()));
    }
    for pause in view.pauses() {
        render::print(visible::line(&pause.words()));
    }
    for fault in view.faults()? {
        render::print(fault.to_string());
    }
    if let Some(line) = failure {
        render::print(format!("last failure: {} {} {}", line.id.short(), line.name, line.state));
    }
    render::print("\nnext:");
    let mut next: Vec<String> = Vec::new();
    if standing.is_some_and(|standing| standing.adopt.is_some()) {
        next.push("dispatch adopt --dry-run".to_owned());
    }
    // What was cut off comes before what is over.
    let settles = interrupted > 0 && !runs;
    if settles {
        next.push("dispatch run".to_owned());
    }
    if let Some(line) = failure {
        next.push(format!("dispatch why {}", line.id.short()));
    }
    if !pending.is_empty() && !runs && !settles {
        next.push("dispatch run".to_owned());
    }
    next.extend(["dispatch list", "dispatch kinds", "dispatch --selftest"].map(str::to_owned));
    for command in next.iter().take(3) {
        render::print(format!("  {}", command.replacen("dispatch", &render::program(), 1)));
    }
    Ok(Exit::Done)
}

/// What another host says of itself, in a line.
fn of_host(host: &HostStatus, now: Timestamp) -> String {
    let does = match (host.watching, host.is_silent(now)) {
        (true, true) => "does not say anything any more",
        (true, false) if host.stopping => "was told to stop",
        (true, false) => "watches",
        (false, _) => "does not watch",
    };
    let Counts { running, held, waiting, unpublished } = host.counts;
    let counts = [(running, "running"), (waiting, "waiting"), (held, "held"), (unpublished, "not published yet")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let said = why::ago(host.age(now));
    let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
    let trouble = [&host.paused, &host.adopt, &host.blocked, &host.obstacle].into_iter().flatten().next();
    let trouble = trouble.map(|words| format!("; {words}")).unwrap_or_default();
    visible::line(&format!("host {} {does}, heard of {said}: {counts}{trouble}", host.node)).into_owned()
}

/// What the last pass said cannot be believed where there was no room to write it down.
fn full(state: &Path) -> Option<String> {
    let free = durable::free_room(state).ok()?;
    (free.bytes < FULL_BYTES || free.files.is_some_and(|files| files < FULL_FILES)).then(|| {
        format!(
            "the disk of `{}` is full: nothing goes on, nor is anything said here, until there is room",
            state.display()
        )
    })
}
