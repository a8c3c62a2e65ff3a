//! `dispatch report --html DIR`: a static site of where things stand, for a browser and without a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::home::{Home, chain};
use super::{PlaceArgs, render, why};
use crate::clock::{Clock as _, System};
use crate::report::{self, FolderError, Options, ReportError};
use crate::units;

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch report --html /srv/www/dispatch\n  \
    dispatch report --html report --most 200 --since 30d && xdg-open report/index.html\n\n\
    The pages need no server and load nothing. Run it again to bring them up to date: pages of requests that have ended are\n\
    kept where nothing about them has changed, and whoever reads meanwhile sees the old report or the new one, no mixture.\n\
    DIR has to be empty, missing, or an earlier report. SOURCE_DATE_EPOCH sets the time that the pages name.")]
pub struct ReportArgs {
    /// Write the site into this folder
    #[arg(long, value_name = "DIR")]
    html: PathBuf,

    /// At most so many requests that ended, the youngest
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    most: u32,

    /// Only what ended no longer ago, such as 30d or 12h
    #[arg(long, value_name = "SPAN", value_parser = units::parse_duration)]
    since: Option<Duration>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `report`.
pub fn answer(place: &PlaceArgs, args: &ReportArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view()?;
    let options = Options {
        most: usize::try_from(args.most).unwrap_or(usize::MAX),
        since: args.since,
        now: now(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())?,
        program: render::program(),
        is_paused: home.paused_by().is_some(),
        closed: home.closed(),
    };
    let report = report::write(&view, &args.html, &options, |line| why::advice(&home, &view, line))?;
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "folder": report.folder, "first": report.folder.join(report::FIRST), "tip": view.tip(),
            "generated_at": crate::clock::utc_millis(options.now), "pages": report.pages,
            "requests": {"pending": report.pending, "ended": report.ended}, "left_out": report.left_out,
        }));
        return Ok(Exit::Done);
    }
    if let Some(words) = &report.left_out {
        render::say(words);
    }
    render::say(format!(
        "{} pending, {} ended; pages: {} made, {} kept, {} removed",
        report.pending, report.ended, report.pages.made, report.pages.kept, report.pages.removed
    ));
    render::print(report.folder.join(report::FIRST).display().to_string());
    Ok(Exit::Done)
}

/// The time that the pages name: the convention of reproducible builds, or the clock.
fn now(epoch: Option<&str>) -> Result<Timestamp, Failure> {
    let Some(text) = epoch.filter(|text| !text.is_empty()) else { return Ok(System::new().now()) };
    let time = text.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    time.ok_or_else(|| {
        Failure::new(Exit::Configuration, format!("SOURCE_DATE_EPOCH `{}` is no time", text.escape_debug()))
            .hint("it is a number of seconds since 1970, or unset")
    })
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        let error = match error {
            ReportError::View(error) => return error.into(),
            ReportError::Folder(error) => error,
        };
        match &error {
            FolderError::NotOurs(_) => Self::new(Exit::Unwritable, chain(&error))
                .hint("name a folder that is empty or not there yet: a report takes it for itself"),
            FolderError::Newer(_) => {
                Self::new(Exit::Unwritable, chain(&error)).hint("use that version, or name another folder")
            }
            FolderError::Busy(_) => Self::new(Exit::NotPublished, chain(&error)).hint("try again when it is done"),
            FolderError::Nameless(_) => {
                Self::new(Exit::Unwritable, chain(&error)).hint("name a folder for the report alone")
            }
            FolderError::Io { .. } => Self::of(Exit::Unwritable, &error),
        }
    }
}
