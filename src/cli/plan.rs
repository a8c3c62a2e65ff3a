//! `dispatch plan FILE`: what would run, shown before anything does. Prints what `plan.rs` has found.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::asked;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::contract::{self, Compiled};
use crate::dispatch::own_program;
use crate::job::Network;
use crate::plan::{Other, Plan, PlanError, Run, Subject};
use crate::record::visible;
use crate::units::{format_duration, format_size};
use crate::view::View;

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch plan requests/deploy-4f2a.yml\n  dispatch plan requests/deploy-4f2a.yml --json\n  \
    dispatch plan - --rev my-branch < request.yml   by the handlers and schemas of a branch\n\n\
    It looks at main as this clone knows it (`git fetch` first), at this host and its host file, and at what waits and runs\n\
    here; it changes nothing. Exit codes: 0 it would run, 64 it would be rejected, 69 this machine lacks a layer,\n\
    78 the repository's own files have faults"
)]
pub struct PlanArgs {
    /// The request (`-`: standard input), relative to -C
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// By what this commit says of kinds, and not main
    #[arg(long, value_name = "REV")]
    rev: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `plan`.
pub fn answer(place: &PlaceArgs, args: &PlanArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let stdin = args.file.as_os_str() == "-";
    let whole = if stdin { args.file.clone() } else { place.repo.join(&args.file) };
    let bytes = asked::read(&whole)?;
    let repo = home.reader()?;
    let commit = match &args.rev {
        Some(rev) => repo.resolve(rev)?,
        None => repo.known_tip().map_or_else(|| repo.resolve("HEAD"), Ok)?,
    };
    let contract = contract::load(&repo, commit, &mut Compiled::default()).map_err(asked::broken)?;
    let shown = args.file.display().to_string();
    let path = place_in_inbox(&home, &contract.config.inbox, &whole);
    let view = home.view()?;
    let plan = Plan::of(
        &Subject {
            repo: &repo,
            contract: &contract,
            view: &view,
            host: &home.host,
            keeper: &own_program(),
            stopped: stopped(&home, &view),
        },
        &path,
        &shown,
        &bytes,
    )?;
    if args.json {
        render::print_json(&plan);
    } else {
        print(&plan);
    }
    Ok(match plan.verdict {
        "rejected" => Exit::Rejected,
        "held" => Exit::Configuration,
        _ if plan.lacks_layer() => Exit::Missing,
        _ => Exit::Done,
    })
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Repo(error) => error.into(),
            PlanError::View(error) => error.into(),
        }
    }
}

/// Where a file lies in the inbox, or would.
fn place_in_inbox(home: &Home, inbox: &str, file: &std::path::Path) -> String {
    let within = || {
        let top = home.checkout.work_tree.as_ref()?.canonicalize().ok()?;
        let below = file.canonicalize().ok()?.strip_prefix(&top).ok()?.to_str()?.to_owned();
        below.starts_with(&format!("{inbox}/")).then_some(below)
    };
    within().unwrap_or_else(|| {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.filter(|stem| stem != "-").unwrap_or_else(|| "request".to_owned());
        format!("{inbox}/{stem}.yml")
    })
}

/// What keeps everything from being started here.
fn stopped(home: &Home, view: &View) -> Option<String> {
    if let Some(file) = home.paused_by() {
        return Some(format!("paused by `{}`", file.display()));
    }
    let standing = view.standing()?;
    standing.adopt.clone().or_else(|| standing.waiting.clone())
}

fn print(plan: &Plan) {
    let colour = match plan.verdict {
        "ready" => "32",
        "rejected" => "31",
        _ => "33",
    };
    let kind = plan.kind.as_deref().unwrap_or("-");
    let reason = plan.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
    render::print(format!("{}  {}  {kind}{reason}", render::paint(plan.verdict, colour), visible::line(&plan.path)));
    for fault in &plan.diagnostics {
        render::print(fault.to_string());
    }
    if let Some(aim) = &plan.target {
        let words = if aim.here { "this node is meant" } else { "not this node: what stands below is of this one" };
        fact("for", &format!("{} ({words})", aim.target));
    }
    if let Some(run) = &plan.run {
        print_run(plan, run);
    }
    let queue = &plan.queue;
    let noun = if queue.before == 1 { "request" } else { "requests" };
    let place = if plan.on_main { "on main" } else { "not on main; at its end" };
    fact("queue", &format!("{place}, {} {noun} before it, {} at once", queue.before, queue.jobs));
    for other in &queue.waits_for {
        fact("", &format!("waits for {}", named(other)));
    }
    if let Some(words) = &queue.stopped {
        fact("stopped", words);
    }
}

fn print_run(plan: &Plan, run: &Run) {
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    let blob = |id: &Option<String>| id.as_deref().map_or_else(|| "none".to_owned(), short);
    let objects = &run.objects;
    fact("handler", &format!("{} ({})", run.command.join(" "), blob(&objects.handler_blob)));
    fact(
        "objects",
        &format!(
            "commit {}, request {}, schema {}, index {}",
            short(&objects.commit),
            short(&objects.request_blob),
            blob(&objects.schema_blob),
            short(&objects.index_blob)
        ),
    );
    fact("id", &plan.id.map_or_else(|| "from the commit that brings it".to_owned(), |id| id.to_string()));
    fact(
        "level",
        &match &run.lacks {
            Some(words) => format!("{}: this machine lacks {words}", run.level),
            None if run.layers.is_empty() => run.level.to_owned(),
            None => format!("{}: {}", run.level, run.layers.join(", ")),
        },
    );
    fact(
        "network",
        &match &run.network {
            Network::None => "none".to_owned(),
            Network::Host => "the host's".to_owned(),
            Network::Tcp(ports) => format!("TCP to {ports:?}"),
        },
    );
    fact("user", &run.user);
    let limits = &run.limits;
    fact(
        "limits",
        &format!(
            "timeout {}, grace {}, memory {}, {} processes, cpu {}, tmp {}, output {}, artifacts {}",
            format_duration(limits.timeout),
            format_duration(limits.grace),
            format_size(limits.memory),
            limits.pids,
            format_duration(limits.cpu_time),
            format_size(limits.tmp),
            format_size(limits.output),
            format_size(limits.artifacts)
        ),
    );
    for (name, paths) in [("read", &run.read), ("write", &run.write)] {
        for path in paths {
            fact(name, &path.display().to_string());
        }
    }
    for secret in &run.secrets {
        let words = secret.fault.as_ref().map_or_else(|| "has a value".to_owned(), |fault| format!("MISSING: {fault}"));
        fact("secret", &format!("{}: {words}", secret.name));
    }
    for lock in &run.locks {
        let words =
            lock.held_by.as_ref().map_or_else(|| "free".to_owned(), |other| format!("held by {}", named(other)));
        fact("lock", &format!("{}: {words}", visible::line(&lock.key)));
    }
    let delivery = serde_json::json!(run.delivery);
    let mut words = delivery.as_str().unwrap_or_default().to_owned();
    if let Some(retry) = &run.retry {
        let _ = write!(
            words,
            ", {} attempts, {} between them and at most {}, on exit {:?}",
            retry.attempts,
            format_duration(retry.backoff),
            format_duration(retry.max_backoff),
            retry.on
        );
    }
    fact("delivery", &words);
    let times = [
        ("starts", run.not_before.map(|time| format!("not before {time}"))),
        ("expires", run.expires.map(|time| time.to_string())),
        ("expires", run.expires_after.as_ref().map(|age| format!("{age} after its commit"))),
    ];
    for (name, words) in times {
        if let Some(words) = words {
            fact(name, &words);
        }
    }
    for action in &run.actions {
        let words = format!("{}: {} (at most {})", action.name, action.run.join(" "), format_duration(action.timeout));
        fact("then", &words);
    }
    fact("record", &format!("{}/", run.record));
}

fn named(other: &Other) -> String {
    format!("{} ({}, {})", visible::line(&other.name), other.id.short(), other.state)
}

fn fact(name: &str, words: &str) {
    render::print(format!("  {name:<9} {}", visible::line(words)));
}
