//! `dispatch list`: pending requests in their order, then those that ended, the youngest first.

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::record::visible;
use crate::view::Line;

const MOST: usize = 20;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch list\n  dispatch list --pending\n  dispatch list --kind deploy --only failed --most 100\n  dispatch list --json"
)]
pub struct ListArgs {
    /// Only what has not ended
    #[arg(long)]
    pending: bool,

    /// Only this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// Only this state or outcome, such as held or failed (`--state` is the state folder, here as everywhere)
    #[arg(long, value_name = "STATE")]
    only: Option<String>,

    /// At most so many that ended
    #[arg(long, value_name = "N", default_value_t = MOST)]
    most: usize,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Default for ListArgs {
    fn default() -> Self {
        Self { pending: false, kind: None, only: None, most: MOST, json: false }
    }
}

/// Answers `list`.
pub fn answer(place: &PlaceArgs, args: &ListArgs) -> Result<Exit, Failure> {
    let view = Home::open(place)?.view()?;
    let mut lines = view.pending()?;
    for path in view.left_alone()? {
        tracing::warn!("`{path}` is left alone: a request ends in .yml or .yaml and lies at most one folder down");
    }
    if !args.pending {
        // A filter looks further back than what is shown without one.
        let reach = if args.kind.is_some() || args.only.is_some() { usize::MAX / 4 } else { args.most };
        let known: Vec<_> = lines.iter().map(|line| line.id).collect();
        let ended = view.ended(reach)?.into_iter().filter(|line| !known.contains(&line.id));
        lines.extend(ended.filter(|line| fits(line, args)).take(args.most));
    }
    lines.retain(|line| fits(line, args));
    if args.json {
        render::print_json(&serde_json::json!({"v": 1, "requests": lines}));
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        render::print("no requests");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    render::print_table(&["ID", "NAME", "KIND", "STATE", "TIME", "REASON"], &rows);
    Ok(Exit::Done)
}

fn fits(line: &Line, args: &ListArgs) -> bool {
    args.kind.as_ref().is_none_or(|kind| line.kind.as_ref() == Some(kind))
        && args.only.as_ref().is_none_or(|state| line.state == *state)
}

fn row(line: &Line) -> Vec<String> {
    let resolved = line.resolved.as_ref().map(|resolution| visible::line(&resolution.words()).into_owned());
    let reason = resolved.as_deref().or(line.reason.as_deref()).unwrap_or("");
    let reason: String = reason.lines().next().unwrap_or("").chars().take(70).collect();
    vec![
        line.id.short(),
        line.name.clone(),
        line.kind.clone().unwrap_or_else(|| "-".to_owned()),
        line.state.clone(),
        line.duration_ms.map_or_else(|| "-".to_owned(), render::duration),
        reason,
    ]
}
