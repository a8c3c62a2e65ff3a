//! `dispatch status ID`: one request, where it stands and how it ended.

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::{FetchArgs, Home};
use super::{PlaceArgs, render, why};
use crate::command::Word;
use crate::record::{Record, visible};
use crate::view::{Line, View};

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch status release-42\n  dispatch status 0198c0de --json\n  dispatch status release-42 --exit-code && echo succeeded"
)]
pub struct StatusArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    /// Exit 1 unless it succeeded
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    fetch: FetchArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// The plain question about one request.
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), exit_code: false, fetch: FetchArgs::default(), json: false }
    }
}

/// Answers `status`.
pub fn answer(place: &PlaceArgs, args: &StatusArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view_for(&args.fetch)?;
    let line = view.find(&args.id)?;
    if args.json {
        let (record, why) = (record_of(&view, &line)?, why::explain(&home, &view, &line)?);
        render::print_json(
            &serde_json::json!({"v": 1, "request": line, "why": why, "record": record, "hosts": view.hosts()}),
        );
    } else {
        show(&home, &view, &line)?;
    }
    Ok(if args.exit_code && !line.has_succeeded() { Exit::Failed } else { Exit::Done })
}

/// The record of a request that ended.
pub fn record_of(view: &View, line: &Line) -> Result<Option<Record>, Failure> {
    let text = view.record_file(line, "status.yml")?;
    Ok(text.and_then(|text| Record::from_yaml("status.yml", &text).ok()))
}

fn show(home: &Home, view: &View, line: &Line) -> Result<(), Failure> {
    // The summary and the refusal are written for people: they say it best.
    if let Some(text) = view.record_file(line, "dispatch.log")? {
        let text = String::from_utf8_lossy(&text);
        // The record stays as it was written; what it asks a person for may have been done since.
        let shown = if line.resolved.is_some() { without_next(&text) } else { text.trim_end() };
        render::print(shown);
        if let Some(text) = view.record_file(line, "error.log")? {
            render::print(format!("\n{}", String::from_utf8_lossy(&text).trim_end()));
        }
    } else {
        let facts = [
            ("id", Some(line.id.to_string())),
            ("kind", line.kind.clone()),
            ("state", Some(line.state.clone())),
            ("reason", line.reason.clone()),
            ("queued", line.queued_at.clone()),
            ("started", line.started_at.clone()),
            ("path", line.path.clone()),
        ];
        render::print(format!("{}: {}", line.state, line.name));
        for (name, value) in facts {
            if let Some(value) = value {
                render::print(format!("  {name:<8} {value}"));
            }
        }
    }
    if let Some(resolution) = &line.resolved {
        render::print(format!("\n{}", visible::line(&resolution.words())));
        let next = match (resolution.word, resolution.rerun) {
            (Word::Rerun, Some(rerun)) => format!("`{} status {rerun}` shows what came of it", render::program()),
            _ => "nothing: a person has settled it".to_owned(),
        };
        render::print(format!("\nNext: {next}"));
    }
    if let Some(folder) = &line.record {
        render::print(format!("\nrecord: {folder}/"));
        if view.is_pruned(line)? {
            render::print(view.pruned_words());
        }
    }
    if line.path.is_some() && line.state != "publishing" {
        let why = why::explain(home, view, line)?;
        render::print(format!("\n{}\nNext: {}", why.because(), why.next()));
    }
    if let (Some(standing), "publishing") = (view.standing(), line.state.as_str())
        && let Some(words) = standing.waiting.as_ref().or(standing.obstacle.as_ref())
    {
        render::print(format!("\n{words}"));
    }
    Ok(())
}

/// The summary without its last paragraph, which says what to do.
fn without_next(summary: &str) -> &str {
    let end = summary.rfind("\nNext: ").unwrap_or(summary.len());
    summary[..end].trim_end()
}
