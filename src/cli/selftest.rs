//! `dispatch --selftest`: prints what the self-test found. The last line is its verdict; with `--json` there is one document.

use std::path::Path;

use serde_json::json;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::clock::System;
use crate::dispatch::own_program;
use crate::repo::Checkout;
use crate::selftest::{self, Probe, State, Subject};
use crate::{host, host_file};

/// Answers `--selftest`.
#[expect(clippy::unnecessary_wraps, reason = "every verb answers so")]
pub fn answer(place: &PlaceArgs, as_json: bool) -> Result<Exit, Failure> {
    let probes = match Home::open(place) {
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
    let ok = selftest::is_ok(&probes);
    if as_json {
        render::print_json(&json!({ "v": 1, "ok": ok, "version": env!("CARGO_PKG_VERSION"), "probes": probes }));
    } else {
        print(&probes);
        render::print(if ok { "Dispatcher OK" } else { "Dispatcher NOT OK" });
    }
    Ok(if ok { Exit::Done } else { Exit::Missing })
}

fn with_home(place: &PlaceArgs, home: &Home) -> Vec<Probe> {
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
fn without_home(what: &str, failure: Failure) -> Vec<Probe> {
    // Of a diagnostic its first line, which has file and place, and what it advises.
    let lines: Vec<&str> = failure.message.lines().map(str::trim).collect();
    let advice = lines.iter().find_map(|line| line.strip_prefix("= help: ")).map(str::to_owned);
    let is_diagnostic = lines.first().is_some_and(|line| line.contains(": error["));
    let detail = if is_diagnostic { lines[0].to_owned() } else { failure.message.clone() };
    let probe = Probe::failed(what, detail);
    let mut probes = selftest::run_without_repository(&own_program());
    probes.insert(1, failure.hint.or(advice).into_iter().fold(probe, Probe::help));
    probes.push(Probe::skipped("everything else", format!("needs the {what}")));
    probes
}

fn print(probes: &[Probe]) {
    let rows: Vec<Vec<String>> = probes
        .iter()
        .map(|probe| {
            let help = probe.help.as_ref().filter(|_| probe.state != State::Ok);
            let detail = help.map_or_else(|| probe.detail.clone(), |help| format!("{} → {help}", probe.detail));
            vec![word(probe.state).to_owned(), probe.name.clone(), detail]
        })
        .collect();
    render::print_table(&["STATE", "PROBE", "WHAT WAS FOUND"], &rows);
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
    }
}
