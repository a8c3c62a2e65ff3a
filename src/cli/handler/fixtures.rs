//! Fixtures on the command line: every request of `tests/handlers/<kind>/`, held against what is expected of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::json;

use super::test::Bench;
use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::diagnostic::Diagnostic;
use crate::durable;
use crate::fixture::{self, Difference, ENDING, Expectation, FOLDER, Found};
use crate::job::Level;
use crate::record::visible;
use crate::rehearsal::{Asked, Rehearsal, RehearsalError, Stage, StandIn, standing};

/// The editor's line of a new expectation, where the repository has the schema.
const SCHEMA: &str = "schemas/dispatch/fixture.schema.json";

/// What is asked for.
pub struct Run<'a> {
    /// One kind; without it all.
    pub kind: Option<&'a str>,
    /// Another level than the row's.
    pub level: Option<Level>,
    /// Write down what came out.
    pub update: bool,
    /// Keep the folder.
    pub keep: bool,
    /// Print JSON.
    pub json: bool,
}

/// One fixture.
struct Fixture {
    kind: String,
    name: String,
    request: PathBuf,
    /// As people see it.
    shown: String,
}

/// What came of one.
#[derive(Serialize)]
struct Judged {
    kind: String,
    name: String,
    file: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    differences: Vec<Difference>,
    diagnostics: Vec<Diagnostic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As expected.
    Ok,
    /// Not as expected.
    Differs,
    /// There is no expectation yet.
    New,
    /// What came out was written down.
    Written,
    /// It could not be tried.
    Failed,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Differs | Self::Failed => "FAILED",
            Self::New => "warning",
            Self::Written => "written",
        }
    }
}

/// Answers `handler test KIND` and `handler test --all`.
pub fn answer(bench: &Bench, asked: &Run<'_>) -> Result<Exit, Failure> {
    let fixtures = find(&bench.top, asked.kind)?;
    let mut stage = bench.stage()?;
    let mut all = Vec::new();
    for fixture in &fixtures {
        if bench.stopped.load(Ordering::Relaxed) {
            return Err(Failure::new(Exit::Failed, "stopped"));
        }
        all.push(try_one(bench, &mut stage, fixture, asked)?);
    }
    let rows = bench.contract.rules.index.rows();
    let untested: Vec<String> = rows
        .map(|(kind, _)| kind.to_owned())
        .filter(|kind| asked.kind.is_none() && !fixtures.iter().any(|fixture| fixture.kind == *kind))
        .collect();
    let kept = asked.keep.then(|| stage.keep());
    let exit = [Exit::Configuration, Exit::Unwritable, Exit::Missing, Exit::Failed];
    let exit = exit.into_iter().find(|exit| all.iter().any(|one| one.exit == *exit)).unwrap_or(Exit::Done);
    if asked.json {
        let ok = exit == Exit::Done;
        render::print_json(&json!({"v": 1, "ok": ok, "fixtures": all, "untested": untested, "kept": kept}));
    } else {
        tell(&all, &untested, kept.as_deref());
    }
    Ok(exit)
}

/// The expectation that belongs to a request.
pub fn expectation_of(request: &Path) -> PathBuf {
    let stem = request.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    request.with_file_name(format!("{stem}{ENDING}"))
}

/// A file of expectations that cannot be read.
pub fn at_fault(faults: &[Diagnostic]) -> Failure {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Configuration, faults.join("\n"))
}

fn find(top: &Path, kind: Option<&str>) -> Result<Vec<Fixture>, Failure> {
    let folder = top.join(FOLDER);
    let unreadable = |path: &Path, error: &io::Error| {
        Failure::new(Exit::Configuration, format!("reading `{}`: {error}", path.display()))
    };
    let mut kinds: Vec<String> = match kind {
        Some(kind) => vec![kind.to_owned()],
        None => match names(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|error| unreadable(&folder, &error))?,
        },
    };
    kinds.retain(|kind| folder.join(kind).is_dir());
    let mut found = Vec::new();
    for kind in kinds {
        let folder = folder.join(&kind);
        for name in names(&folder).map_err(|error| unreadable(&folder, &error))? {
            let is_request = Path::new(&name).extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
            if !is_request || name.starts_with('.') || name.ends_with(ENDING) {
                continue;
            }
            let stem = Path::new(&name).file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
            let shown = format!("{FOLDER}/{kind}/{name}");
            found.push(Fixture { kind: kind.clone(), name: stem, request: folder.join(&name), shown });
        }
    }
    if found.is_empty() {
        let place = kind.map_or_else(|| format!("{FOLDER}/"), |kind| format!("{FOLDER}/{kind}/"));
        let hint = format!(
            "a fixture is a request there, such as {FOLDER}/{}/first.yml; `--update` writes down what it comes to",
            kind.unwrap_or("KIND")
        );
        return Err(Failure::new(Exit::Configuration, format!("there are no fixtures in `{place}`")).hint(hint));
    }
    Ok(found)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn try_one(bench: &Bench, stage: &mut Stage<'_>, fixture: &Fixture, asked: &Run<'_>) -> Result<Judged, Failure> {
    let mut judged = Judged {
        kind: fixture.kind.clone(),
        name: fixture.name.clone(),
        file: fixture.shown.clone(),
        state: State::Failed,
        outcome: None,
        duration_ms: None,
        differences: Vec::new(),
        diagnostics: Vec::new(),
        error: None,
        exit: Exit::Done,
    };
    let file = expectation_of(&fixture.request);
    let shown = format!("{FOLDER}/{}/{}{ENDING}", fixture.kind, fixture.name);
    let before = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(text.map_err(|error| Failure::new(Exit::Configuration, format!("reading `{shown}`: {error}")))?),
    };
    let expected = match before.as_ref().map(|text| fixture::read(&shown, text.as_bytes())).transpose() {
        Ok(expected) => expected,
        Err(faults) => {
            (judged.diagnostics, judged.exit) = (faults, Exit::Configuration);
            return Ok(judged);
        }
    };
    let found = match come_to(stage, fixture, expected.as_ref(), asked.level) {
        Ok((came, found)) => {
            judged.outcome = Some(found.outcome.to_string());
            judged.duration_ms = came.record.duration_ms;
            judged.diagnostics = came.faults;
            found
        }
        Err(Stumble::Rehearsal(RehearsalError::Held(faults))) => {
            (judged.diagnostics, judged.exit) = (faults, Exit::Configuration);
            return Ok(judged);
        }
        Err(stumble) => {
            let failure = stumble.into_failure(&fixture.shown);
            // A request that cannot be tried so is a fault of the fixture.
            judged.exit = if failure.exit == Exit::Rejected { Exit::Failed } else { failure.exit };
            judged.error = Some(failure.message);
            return Ok(judged);
        }
    };
    judged.differences = expected.as_ref().map(|expected| expected.differences(&found)).unwrap_or_default();
    let settled = expected.is_some() && judged.differences.is_empty();
    if settled {
        judged.state = State::Ok;
        judged.diagnostics.clear();
    } else if asked.update {
        let header = editor_line(&bench.top, &shown);
        let text = fixture::written(before.as_deref().zip(expected.as_ref()), &found, &header);
        durable::write_file(&file, text.as_bytes(), 0o644).map_err(|error| Failure::of(Exit::Unwritable, &error))?;
        judged.state = State::Written;
        judged.diagnostics.clear();
    } else {
        judged.state = if expected.is_some() { State::Differs } else { State::New };
        judged.exit = Exit::Failed;
    }
    Ok(judged)
}

/// Why a fixture came to nothing.
enum Stumble {
    Rehearsal(RehearsalError),
    File(io::Error),
}

impl Stumble {
    fn into_failure(self, shown: &str) -> Failure {
        match self {
            Self::Rehearsal(error) => error.into(),
            Self::File(error) => Failure::new(Exit::Configuration, format!("reading `{shown}`: {error}")),
        }
    }
}

fn come_to(
    stage: &mut Stage<'_>,
    fixture: &Fixture,
    expected: Option<&Expectation>,
    level: Option<Level>,
) -> Result<(Rehearsal, Found), Stumble> {
    let bytes = fs::read(&fixture.request).map_err(Stumble::File)?;
    let given = expected.map(|expected| expected.given.clone()).unwrap_or_default();
    let (level, attempt) = (level.or(given.level), given.attempt.unwrap_or(1));
    let stand_in = StandIn::from(given);
    let name = fixture.request.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let asked = Asked {
        shown: &fixture.shown,
        name: &name,
        bytes: &bytes,
        kind: &fixture.kind,
        level,
        stand_in: Some(&stand_in),
        attempt,
    };
    let came = stage.rehearse(&asked, &|_| {}).map_err(Stumble::Rehearsal)?;
    let mut files = BTreeMap::new();
    for path in expected.iter().flat_map(|expected| expected.files.keys()) {
        if let Some(root) = &came.host {
            files.insert(path.clone(), standing(root, path).map_err(Stumble::File)?);
        }
    }
    let record = &came.record;
    let mut artifacts: Vec<String> = came.artifacts.iter().map(|artifact| artifact.path.clone()).collect();
    artifacts.sort();
    let found = Found {
        outcome: record.outcome,
        exit_code: record.exit_code,
        reason: record.reason.clone(),
        result: record.result.clone(),
        output: String::from_utf8_lossy(&came.output).into_owned(),
        artifacts,
        files,
    };
    Ok((came, found))
}

/// For editors, where they can follow it.
pub fn editor_line(top: &Path, file: &str) -> String {
    if !top.join(SCHEMA).is_file() {
        return String::new();
    }
    let up = "../".repeat(file.matches('/').count());
    format!("# yaml-language-server: $schema={up}{SCHEMA}\n")
}

fn tell(all: &[Judged], untested: &[String], kept: Option<&Path>) {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let row = |judged: &Judged| {
        let took = judged.duration_ms.map(render::duration);
        let name = format!("{}/{}", judged.kind, judged.name);
        vec![judged.state.word().to_owned(), name, text(judged.outcome.clone()), text(took)]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    render::print_table(&["STATE", "FIXTURE", "OUTCOME", "TOOK"], &rows);
    for judged in all.iter().filter(|judged| !matches!(judged.state, State::Ok | State::Written)) {
        render::print(format!("\n{}", judged.file));
        if judged.state == State::New {
            render::print(format!(
                "  nothing says what is expected of it: `{} handler test {} --update` writes it down",
                render::program(),
                judged.kind
            ));
        }
        for difference in &judged.differences {
            render::print(format!("  {}", difference.what));
            for line in &difference.lines {
                let line = format!("    {}", visible::line(line));
                let code = if line.starts_with("    -") { "31" } else { "32" };
                let differs = line.starts_with("    -") || line.starts_with("    +");
                render::print(if differs { render::paint(&line, code) } else { line });
            }
        }
        for fault in &judged.diagnostics {
            render::print(fault.to_string());
        }
        if let Some(error) = &judged.error {
            render::print(format!("  {}", visible::lines(error)));
        }
    }
    let count = |state: State| all.iter().filter(|judged| judged.state == state).count();
    let parts = [
        (State::Ok, "as expected"),
        (State::Written, "written"),
        (State::Differs, "not as expected"),
        (State::New, "without an expectation"),
        (State::Failed, "not tried"),
    ];
    let parts = parts.into_iter().filter(|(state, _)| count(*state) > 0);
    let parts: Vec<String> = parts.map(|(state, words)| format!("{} {words}", count(state))).collect();
    render::print(format!("\n{}", parts.join(", ")));
    if !untested.is_empty() {
        render::print(format!("no fixture: {}", untested.join(", ")));
    }
    if let Some(kept) = kept {
        render::print(format!("kept: {}", kept.display()));
    }
}
