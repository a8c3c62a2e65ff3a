//! `dispatch --selftest`: prints what the self-test found. The last line is its verdict; with `--json` there is one document.

use std::path::Path;

use serde_json::json;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::clock::System;
use crate::dispatch::own_program;
use crate::probe::{self, Probe};
use crate::repo::Checkout;
use crate::selftest::{self, Escape, Findings, Subject};
use crate::{host, host_file};

/// Answers `--selftest`.
#[expect(clippy::unnecessary_wraps, reason = "every verb answers so")]
pub fn answer(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    let found = match Home::open(place) {
        Ok(home) => with_home(place, &home),
        Err(failure) => {
            let what = if Checkout::discover(&place.repo).is_err() {
                "repository"
            } else if host::load(place.host.as_deref()).is_err() {
                "host file"
            } else {
                "set-up"
            };
            without_home(what, failure)
        }
    };
    let ok = probe::is_ok(&found.probes);
    let Findings { probes, escapes } = &found;
    if as_json {
        let version = env!("CARGO_PKG_VERSION");
        render::print_json(&json!({ "v": 1, "ok": ok, "version": version, "probes": probes, "escapes": escapes }));
    } else {
        render::print_probes("PROBE", probes);
        render::print("");
        print_escapes(escapes);
        render::print("");
        render::print(if ok { "Dispatcher OK" } else { "Dispatcher NOT OK" });
    }
    Ok(if ok { Exit::Done } else { Exit::Missing })
}

fn with_home(place: &PlaceArgs, home: &Home) -> Findings {
    let repo = match home.reader() {
        Ok(repo) => repo,
        Err(failure) => return without_home("repository", failure),
    };
    let identity = match home.identity(&repo) {
        Ok(identity) => identity,
        Err(failure) => return without_home("identity", failure),
    };
    selftest::run(&Subject {
        repo: &repo,
        state: &home.state,
        host: &home.host,
        host_path: place.host.as_deref().unwrap_or(Path::new(host_file::PATH)),
        keeper: own_program(),
        identity,
        machine_paused: "/etc/dispatch/paused".into(),
        clock: &System::new(),
    })
}

/// What keeps everything else from being tried, and what can be tried all the same.
fn without_home(what: &str, failure: Failure) -> Findings {
    // Of a diagnostic its first line, which has file and place, and what it advises.
    let lines: Vec<&str> = failure.message.lines().map(str::trim).collect();
    let advice = lines.iter().find_map(|line| line.strip_prefix("= help: ")).map(str::to_owned);
    let is_diagnostic = lines.first().is_some_and(|line| line.contains(": error["));
    let detail = if is_diagnostic { lines[0].to_owned() } else { failure.message.clone() };
    let probe = Probe::failed(what, detail);
    let mut found = selftest::run_without_repository(&own_program());
    found.probes.insert(1, failure.hint.or(advice).into_iter().fold(probe, Probe::help));
    found.probes.push(Probe::skipped("everything else", format!("needs the {what}")));
    found
}

fn print_escapes(escapes: &[Escape]) {
    let row = |escape: &Escape| {
        let Escape { level, layer, tried, found, state } = escape;
        [render::word(*state), level, layer, tried, found].map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = escapes.iter().map(row).collect();
    render::print_table(&["STATE", "LEVEL", "LAYER", "TRIED BY A HANDLER", "WHAT WAS FOUND"], &rows);
}
