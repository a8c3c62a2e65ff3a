//! `dispatch health`: whether the dispatcher gets on, for probes and for the pager. Reads the state folder alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::home::MACHINE_PAUSED;
use super::{PlaceArgs, render};
use crate::health::{self, Asked, Health};
use crate::record::visible;
use crate::repo::Checkout;
use crate::statedir::StateDir;
use crate::units::parse_duration;

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch health                                     everything: lives, reads main, runs, publishes\n  \
    dispatch --state /var/lib/dispatch health --live    for a liveness probe: where it fails, a restart helps\n  \
    dispatch --state /var/lib/dispatch health --ready   for a readiness probe: it takes work\n  \
    dispatch health --max-age 10m --json                for a monitor; longer than the pause between two looks\n\n\
    Reads files of the state folder alone: no lock, no remote, and with --state no repository either. A pause is said and is\n\
    no failure. Exit codes: 0 it gets on, 69 something has stalled, and it says what"
)]
pub struct HealthArgs {
    /// From this age on something has stalled
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = span)]
    max_age: Duration,

    /// Only whether the process lives
    #[arg(long, conflicts_with = "ready")]
    live: bool,

    /// Only whether it takes work: it lives, reads main and was not told to stop
    #[arg(long)]
    ready: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `health`.
pub fn answer(place: &PlaceArgs, args: &HealthArgs) -> Result<Exit, Failure> {
    let state = state_of(place)?;
    if std::fs::read_dir(state.root()).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
        let words = format!("the state folder `{}` is closed to this user", state.root().display());
        return Err(Failure::new(Exit::Missing, words).hint("ask as the dispatcher's user, or as root"));
    }
    let asked = match (args.live, args.ready) {
        (true, _) => Asked::Live,
        (_, true) => Asked::Ready,
        _ => Asked::All,
    };
    let facts = health::look(&state, MACHINE_PAUSED.as_ref());
    let health = health::judge(&facts, Timestamp::now(), asked, args.max_age);
    if args.json {
        render::print_json(&health);
    } else {
        show(&health);
    }
    Ok(if health.healthy { Exit::Done } else { Exit::Missing })
}

/// The folder that is named; only where none is, the repository has to be looked for.
fn state_of(place: &PlaceArgs) -> Result<StateDir, Failure> {
    let by_systemd = std::env::var_os("STATE_DIRECTORY").filter(|value| !value.is_empty()).map(PathBuf::from);
    match place.state.clone().or(by_systemd) {
        Some(root) => Ok(StateDir::at(&root)),
        None => Ok(StateDir::locate(&Checkout::discover(&place.repo)?.common_dir, None)?),
    }
}

fn show(health: &Health) {
    let row = |check: &health::Check| {
        let detail = visible::line(&check.detail).into_owned();
        let detail = check.help.map_or_else(|| detail.clone(), |help| format!("{detail} → {help}"));
        vec![if check.ok { "ok" } else { "FAILED" }.to_owned(), check.name.to_owned(), detail]
    };
    let rows: Vec<Vec<String>> = health.checks.iter().map(row).collect();
    render::print_table(&["STATE", "CHECK", "WHAT WAS FOUND"], &rows);
    for note in &health.notes {
        render::print(visible::line(note));
    }
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}
