//! `dispatch logs ID`: what a handler printed, and with `-f` what it prints.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render, wait};
use crate::view::{Line, View};

/// How often a file that grows is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch logs release-42\n  dispatch logs release-42 -f        what it prints, while it runs; in another clone once the record is on main\n  dispatch logs release-42 --json    the event log, one JSON object a line"
)]
pub struct LogsArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    /// Follow until it ends
    #[arg(long, short)]
    follow: bool,

    /// Print log.jsonl, the whole story as events, instead
    #[arg(long, conflicts_with = "follow")]
    json: bool,
}

impl LogsArgs {
    /// The plain question about one request.
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), follow: false, json: false }
    }
}

/// Answers `logs`.
pub fn answer(place: &PlaceArgs, args: &LogsArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view()?;
    let line = view.find(&args.id)?;
    if args.follow && line.path.is_some() {
        if view.is_far_from(&line) {
            tracing::info!("its output comes with the record: waiting for that");
            return match wait::quietly(&home, line.id)? {
                Exit::Interrupted => Ok(Exit::Interrupted),
                _ => answer(place, &LogsArgs::of(&line.id.to_string())),
            };
        }
        return follow(view, place, line);
    }
    let name = if args.json { "log.jsonl" } else { "handler.log" };
    if let Some(text) = view.kept_file(&line, name) {
        render::print_bytes(&text);
        return Ok(Exit::Done);
    }
    let printed = view.record_file(&line, name)?;
    if let Some(host) = &line.kept_on {
        tracing::info!(
            "not all of it was published: the rest lies on {host}, where `dispatch logs {}` shows it",
            line.id
        );
    }
    match printed {
        Some(text) => render::print_bytes(&text),
        None if line.path.is_some() => tracing::info!("{} is {}: nothing printed yet", line.name, line.state),
        None if line.kept_on.is_some() => {}
        None if view.is_pruned(&line)? => {
            let folder = line.record.as_deref().unwrap_or_default();
            tracing::info!(
                "{} is {}; {}: `git log --diff-filter=D -- {folder}`",
                line.name,
                line.state,
                view.pruned_words()
            );
        }
        None => tracing::info!(
            "{} is {} and left no {name}: `{} why {}` says why",
            line.name,
            line.state,
            render::program(),
            line.id.short()
        ),
    }
    Ok(Exit::Done)
}

/// Prints what comes until the request has ended. One that is tried again begins a new file.
fn follow(mut view: View, place: &PlaceArgs, mut line: Line) -> Result<Exit, Failure> {
    let mut open: Option<(std::path::PathBuf, File)> = None;
    let mut any = false;
    loop {
        view.refresh()?;
        let now = current(&view, &line)?;
        let path = view.live_file(&now, "handler.log");
        if let Some(path) = path.filter(|path| open.as_ref().is_none_or(|(known, _)| known != path))
            && let Ok(file) = File::open(&path)
        {
            drain(&mut open, &mut any);
            open = Some((path, file));
        }
        drain(&mut open, &mut any);
        if now.path.is_none() || now.state == "publishing" || now.state == "interrupted" {
            if !any {
                // It ended before its file was seen.
                return answer(place, &LogsArgs { id: now.id.to_string(), follow: false, json: false });
            }
            tracing::info!("{}: {}", now.name, now.reason.as_deref().unwrap_or(&now.state));
            return Ok(Exit::Done);
        }
        line = now;
        std::thread::sleep(LOOK);
    }
}

fn current(view: &View, line: &Line) -> Result<Line, Failure> {
    Ok(view.find(&line.id.to_string())?)
}

fn drain(open: &mut Option<(std::path::PathBuf, File)>, any: &mut bool) {
    let Some((_, file)) = open else { return };
    let mut text = Vec::new();
    if file.read_to_end(&mut text).is_ok() && !text.is_empty() {
        *any = true;
        render::print_bytes(&text);
    }
}
