//! `dispatch prune`: takes the output of old records away from main now, or says what would go.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::home::{Home, chain};
use super::{PlaceArgs, render};
use crate::clock::{Clock, System};
use crate::contract;
use crate::dispatch::META_STATE_ID;
use crate::record::visible;
use crate::repo::{PushClass, Repo};
use crate::retention::{self, Age, Aged, Author, Bounds, PruneError, Reach};
use crate::submit;
use crate::units::{format_duration, parse_duration};

/// One commit takes this much.
const BOUNDS: Bounds = Bounds { folders_max: 20_000, records_max: 500 };
/// So many are shown.
const SHOWN_MAX: usize = 20;

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch prune --dry-run                    what `retention` of codex.repo.yaml would take away\n  \
    dispatch prune                              take it away now\n  \
    dispatch prune --older-than 30d --dry-run   the same for another age\n\n\
    Of each record whose request ended before then, `handler.log`, `log.jsonl` and artifacts leave main; `status.yml`,\n\
    `dispatch.log` and `error.log` stay. History keeps everything: what is gone from main is still in older commits. The\n\
    dispatcher does this by itself where `retention` is set, a little at a time while it has nothing else to do.\n\
    Exit codes: 0 done, 75 main was not moved, 78 nothing says how long output is kept"
)]
pub struct PruneArgs {
    /// Instead of `retention: {output: …}` of codex.repo.yaml
    #[arg(long, value_name = "SPAN", value_parser = span)]
    older_than: Option<Duration>,

    /// Change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `prune`.
pub fn answer(place: &PlaceArgs, args: &PruneArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let mut repo = home.shared_repo()?;
    let mut tip = submit::fetch(&mut repo).map_err(|error| Failure::of(Exit::Missing, &error))?.commit;
    let (config, _) = contract::load_config(&repo, tip)
        .map_err(|error| Failure::new(Exit::Configuration, format!("codex.repo.yaml: {error}")))?;
    let Some(span) = args.older_than.or(config.retention.output) else {
        return Err(Failure::new(Exit::Configuration, "nothing says how long output is kept")
            .hint("write `retention: {output: 90d}` into codex.repo.yaml, or give --older-than"));
    };
    let clock = System::new();
    let before = clock.now().checked_sub(span);
    let before = before.map_err(|_| Failure::new(Exit::Configuration, "that long ago there were no computers"))?;
    let age = Age { span, before, since: None };
    let state = home.journal()?.map(|journal| journal.meta(META_STATE_ID)).transpose()?.flatten();
    let identity = home.identity(&repo)?;
    let author = Author { identity: &identity, state: state.and_then(|text| Uuid::parse_str(&text).ok()) };
    let (mut aged, mut commits, mut dirty): (Vec<Aged>, Vec<String>, usize) = Default::default();
    let mut from = None;
    loop {
        let reach = Reach { age: &age, from: from.as_deref(), bounds: BOUNDS };
        let (found, next) = if args.dry_run {
            let slice = retention::slice(&repo, tip, &config, reach)?;
            (slice.aged, slice.next)
        } else {
            let pruned = retention::prune(&mut repo, tip, &config, reach, author, &clock).map_err(failure_of)?;
            dirty += pruned.dirty;
            if let Some(commit) = pruned.commit {
                tip = commit;
                commits.push(commit.to_string());
            }
            (pruned.aged, pruned.next)
        };
        aged.extend(found);
        from = next;
        if from.is_none() {
            break;
        }
    }
    let facts = Facts { span, before, aged, commits, dirty };
    if args.json {
        print_json(&repo, args, &facts);
    } else {
        tell(&repo, args, &facts);
    }
    Ok(if dirty > 0 { Exit::NotPublished } else { Exit::Done })
}

struct Facts {
    span: Duration,
    before: Timestamp,
    aged: Vec<Aged>,
    commits: Vec<String>,
    dirty: usize,
}

fn print_json(repo: &Repo, args: &PruneArgs, facts: &Facts) {
    let records: Vec<_> = facts
        .aged
        .iter()
        .map(|aged| {
            let goes: Vec<String> = aged.removals.iter().map(|gone| name_of(aged, &gone.path)).collect();
            json!({"record": aged.folder, "finished_at": aged.finished_at, "goes": goes, "bytes": bytes_of(repo, aged)})
        })
        .collect();
    render::print_json(&json!({
        "v": 1, "dry_run": args.dry_run, "older_than": format_duration(facts.span),
        "before": crate::clock::utc_millis(facts.before), "records": records, "commits": facts.commits,
        "left_dirty": facts.dirty,
    }));
}

fn tell(repo: &Repo, args: &PruneArgs, facts: &Facts) {
    for aged in facts.aged.iter().take(SHOWN_MAX) {
        let names: Vec<String> = aged.removals.iter().map(|gone| name_of(aged, &gone.path)).collect();
        let ended = aged.finished_at.as_deref().unwrap_or("long ago");
        render::print(visible::line(&format!("{}  ended {ended}: {}", aged.folder, names.join(", "))));
    }
    if facts.aged.len() > SHOWN_MAX {
        render::print(format!("… and {} more (`--json` has all)", facts.aged.len() - SHOWN_MAX));
    }
    let bytes: u64 = facts.aged.iter().map(|aged| bytes_of(repo, aged)).sum();
    let (count, span) = (facts.aged.len(), format_duration(facts.span));
    if facts.dirty > 0 {
        render::say(format!("{} record(s) are changed in the work tree and stay: commit or restore them", facts.dirty));
    }
    if count == 0 && facts.dirty > 0 {
        return;
    }
    render::say(match (count, args.dry_run) {
        (0, _) => format!("nothing on main is output older than {span}"),
        (_, true) => format!("the output of {count} record(s), {bytes} bytes, would leave main (older than {span})"),
        (_, false) => format!(
            "the output of {count} record(s), {bytes} bytes, left main (older than {span}) in {}",
            facts.commits.iter().map(|commit| &commit[..10.min(commit.len())]).collect::<Vec<_>>().join(", ")
        ),
    });
}

fn name_of(aged: &Aged, path: &[u8]) -> String {
    String::from_utf8_lossy(&path[(aged.folder.len() + 1).min(path.len())..]).into_owned()
}

/// The sizes of the files that go, as far as they are here; what lies in folders is not counted.
fn bytes_of(repo: &Repo, aged: &Aged) -> u64 {
    aged.removals
        .iter()
        .filter(|gone| repo.has(gone.oid))
        .filter_map(|gone| repo.blob(gone.oid, 0).ok())
        .map(|(size, _)| size)
        .sum()
}

fn failure_of(error: PruneError) -> Failure {
    match error {
        PruneError::Repo(error) => error.into(),
        PruneError::Fetch(error) => Failure::of(Exit::Missing, &error),
        PruneError::Push(error) if error.class == PushClass::Configuration => Failure::of(Exit::Configuration, &error),
        error @ PruneError::Push(_) => Failure::new(Exit::NotPublished, chain(&error))
            .hint("nothing left main; where the branch is protected, the dispatcher's own account may push to it"),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
