//! How answers look: data on standard output, the story on standard error, colour only on a terminal.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::uptime;

use super::exit::{Exit, Failure};
use super::progress;
use crate::explain::is_code;
use crate::probe::{Probe, State};

/// Sends the program's story to standard error. `DISPATCH_LOG` overrides the level, as in `DISPATCH_LOG=debug`.
pub fn start_story(verbose: u8, quiet: bool) {
    if quiet {
        progress::be_quiet();
    }
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("DISPATCH_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,codex_dispatch={level}")));
    let story = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| progress::Story)
        // It would be said on standard error, where the reader has just gone away, and that panics.
        .log_internal_errors(false)
        .with_target(false)
        // It would tell standard error of a line that standard error did not take, and panic when that is not taken either.
        .log_internal_errors(false)
        .with_ansi(colour(&io::stderr()));
    // The demo runs several commands in one process; the first one's choice holds.
    let _ = if verbose == 0 { story.without_time().try_init() } else { story.with_timer(uptime()).try_init() };
}

/// Prints one line of data. A reader that has gone away (`| head`) is not an error.
pub fn print(line: impl AsRef<str>) {
    progress::above(|| {
        let _ = writeln!(io::stdout(), "{}", line.as_ref());
    });
}

/// How this program was called, for commands that are shown to be typed: `scripts/dispatch.sh` says so by `DISPATCH_AS`.
pub fn program() -> String {
    std::env::var("DISPATCH_AS").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "dispatch".to_owned())
}

/// Says one line of the story, which `--quiet` does not take away.
pub fn say(line: impl AsRef<str>) {
    progress::above(|| {
        let _ = writeln!(io::stderr(), "{}", line.as_ref());
    });
}

/// Prints data without a line end, as bytes.
pub fn print_bytes(bytes: &[u8]) {
    progress::above(|| {
        let _ = io::stdout().write_all(bytes).and_then(|()| io::stdout().flush());
    });
}

/// Prints a value as JSON, indented.
pub fn print_json(value: &impl Serialize) {
    print(serde_json::to_string_pretty(value).expect("an answer is plain data"));
}

/// Prints rows under a header, columns aligned, the last one as long as it likes.
pub fn print_table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([header[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
        }
        text.trim_end().to_owned()
    };
    print(paint(&line(header), "1"));
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        let text = line(&cells);
        let code = row.iter().find_map(|cell| colour_of(cell));
        print(code.map_or_else(|| text.clone(), |code| paint(&text, code)));
    }
}

/// Prints what was tried and found, with what to do where something is to be done.
pub fn print_probes(what: &str, probes: &[Probe]) {
    let row = |probe: &Probe| {
        let help = probe.help.as_ref().filter(|_| probe.state != State::Ok);
        let detail = help.map_or_else(|| probe.detail.clone(), |help| format!("{} → {help}", probe.detail));
        vec![word(probe.state).to_owned(), probe.name.clone(), detail]
    };
    let rows: Vec<Vec<String>> = probes.iter().map(row).collect();
    print_table(&["STATE", what, "WHAT WAS FOUND"], &rows);
}

/// The state of a row; what keeps a run from working stands out.
pub const fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "FAILED",
        State::Skipped => "skipped",
    }
}

/// A span as people read it.
pub fn duration(milliseconds: u64) -> String {
    crate::units::short_duration(milliseconds)
}

/// Where diagnostics were shown: how to read more about the first of them, once.
pub fn explained_by(shown: &str) {
    if let Some(code) = first_code(shown) {
        print(format!("\n`{} explain {code}` tells more", program()));
    }
}

fn first_code(shown: &str) -> Option<&str> {
    shown.split(": error[").nth(1)?.get(..5).filter(|code| is_code(code))
}

/// Says on standard error why the command failed.
pub fn failure(failure: &Failure) -> Exit {
    let mut text = failure.message.trim_end().to_owned();
    if !text.contains(": error[") {
        text = format!("error: {text}");
    }
    if let Some(hint) = &failure.hint {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    if let Some(code) = first_code(&text) {
        text = format!("{text}\nhint: `{} explain {code}` tells more", program());
    }
    let _ = writeln!(io::stderr(), "{text}");
    failure.exit
}

/// Text in a colour (an SGR number) where standard output is a terminal.
pub fn paint(text: &str, code: &str) -> String {
    if colour(&io::stdout()) { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn colour_of(word: &str) -> Option<&'static str> {
    match word {
        "succeeded" | "ok" => Some("32"),
        "failed" | "timed_out" | "killed" | "rejected" | "FAILED" => Some("31"),
        "expired" | "cancelled" | "indeterminate" | "held" | "warning" => Some("33"),
        "running" | "retrying" => Some("36"),
        _ => None,
    }
}

fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
