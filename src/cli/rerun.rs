//! `dispatch rerun ID`: a request that ended, done again: a new request of the same content that names the old one.

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::asked::FollowArgs;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::steer::note;
use super::submit::{Desk, Prepared};
use super::{PlaceArgs, render};
use crate::outcome::Outcome;
use crate::record::Record;
use crate::repo::Repo;
use crate::request;
use crate::rerun;
use crate::view::{Line, View};
use crate::yaml::Limits;

/// Arguments of `rerun`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch rerun release-42\n  dispatch rerun 0198c0de -m 'the disk is free again'\n\n\
    It commits `requests/NAME-rerun.yml` to main: what the author wrote, an id of its own, and `rerun_of`. The old record stays\n\
    as it is. 64 where the request has not ended, or where its kind would refuse it now; 75 where the push is declined, and the\n\
    file for a pull request is on standard output. For one that ended `indeterminate`, `dispatch resolve ID --rerun` also\n\
    settles the old one."
)]
pub struct RerunArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    /// Why, for the message of the commit
    #[arg(short = 'm', long, value_name = "NOTE", value_parser = note)]
    note: Option<String>,

    /// Put it onto a new branch of this name, for a pull request, and not on main
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,

    #[command(flatten)]
    follow: FollowArgs,

    /// Print JSON; with --wait that of `dispatch wait`
    #[arg(long)]
    json: bool,
}

/// Answers `rerun`.
pub fn answer(place: &PlaceArgs, args: &RerunArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let mut desk = Desk::open(&home)?;
    let view = home.view()?;
    let line = view.find(&args.id)?;
    refuse_what_goes_on(&line)?;
    let original = bytes_of(&home, desk.repo(), &view, &line)?;
    let request = repeated(&line, &original)?;
    let judged = desk.judge(vec![request])?;
    let short = line.id.short();
    let subject = format!("dispatch: rerun {short}");
    let message = args.note.as_ref().map_or_else(|| subject.clone(), |note| format!("{subject}\n\n{note}"));
    let done = desk.put(&judged, &message, args.branch.as_deref())?;
    let new = judged[0].id;
    let commit = done.commit.to_string()[..10].to_owned();
    // With --wait there is one document, and it comes at the end.
    if args.json && !args.follow.is_asked() {
        render::print_json(&json!({
            "v": 1, "id": new, "kind": judged[0].kind, "path": done.paths[0], "rerun_of": line.id, "commit": done.commit,
            "branch": done.branch, "on_main": args.branch.is_none(),
        }));
    } else if !args.json {
        render::print(new.to_string());
    }
    render::say(format!(
        "{} repeats {} ({short}); it is on {} (commit {commit})",
        done.paths[0], line.name, done.branch
    ));
    args.follow.follow(&home, std::iter::once(new), args.json)
}

fn refuse_what_goes_on(line: &Line) -> Result<(), Failure> {
    if line.state.parse::<Outcome>().is_ok() {
        return Ok(());
    }
    let failure = Failure::new(Exit::Rejected, format!("`{}` has not ended: it is {}", line.name, line.state));
    Err(failure.hint(match line.state.as_str() {
        "pending" | "held" => "it runs in its turn; `dispatch why` says what it waits for",
        "interrupted" | "publishing" => "`dispatch run` records how it ended; then it can be repeated",
        _ => "wait for its end, or see `dispatch logs`",
    }))
}

/// What its author wrote: from main's objects, else as this host has kept it.
fn bytes_of(home: &Home, repo: &Repo, view: &View, line: &Line) -> Result<Vec<u8>, Failure> {
    let gone = || {
        let failure = Failure::new(Exit::Configuration, format!("the text of `{}` is not there any more", line.name));
        failure.hint("write it anew: `dispatch new KIND`")
    };
    let status = view.record_file(line, "status.yml")?;
    let blob = status.and_then(|bytes| Record::from_yaml("status.yml", &bytes).ok()).map(|record| record.request_blob);
    if let Some(blob) = blob.and_then(|blob| blob.parse().ok())
        && repo.has(blob)
        && let Some(bytes) = repo.blob(blob, Limits::REQUEST.bytes_max as u64)?.1
    {
        return Ok(bytes);
    }
    std::fs::read(home.state.spool(line.id).join("request")).map_err(|_| gone())
}

fn repeated(line: &Line, original: &[u8]) -> Result<Prepared, Failure> {
    let shown = format!("{}.yml", line.name);
    let refused = |words: String| Failure::new(Exit::Rejected, words);
    let envelope = request::parse(&shown, original).map_err(|faults| {
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        refused(words.join("\n")).hint("it is no request that could be run; write a right one: `dispatch new KIND`")
    })?;
    if request::is_reserved(&envelope.request.kind) {
        let words = format!("`{}` asked something of the dispatcher itself, which is not repeated", line.name);
        return Err(refused(words).hint("give the command again that wrote it"));
    }
    let id = Uuid::now_v7();
    let key = envelope.request.idempotency_key.as_ref().filter(|_| line.state == Outcome::Succeeded.as_str());
    let text = if let Some(key) = key {
        tracing::warn!(
            "its idempotency_key `{key}` is used up by the success, and left out: with it, nothing would run"
        );
        rerun::text_without(original, id, line.id.uuid(), "idempotency_key")
    } else {
        rerun::text(original, id, line.id.uuid())
    };
    let bytes = text.ok_or_else(|| refused(format!("the text of `{}` cannot be repeated", line.name)))?;
    let stem = match line.name.rsplit_once('/') {
        Some((folder, stem)) => format!("{folder}/{}", rerun::stem(stem)),
        None => rerun::stem(&line.name),
    };
    Ok(Prepared { shown, bytes, stem, loose: None, fresh: true })
}
