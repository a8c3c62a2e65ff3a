//! `dispatch handler test`: one request with the work tree's handler, told as its record would tell it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::fixtures;
use crate::cli::exit::{Exit, Failure};
use crate::cli::home::Home;
use crate::cli::{PlaceArgs, render};
use crate::contract::source::Folder;
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::did_you_mean;
use crate::dispatch::{kind_uids, own_program};
use crate::fixture;
use crate::job::Level;
use crate::outcome::Outcome;
use crate::record::visible;
use crate::rehearsal::{Asked, Rehearsal, RehearsalError, Stage, StandIn};
use crate::request;
use crate::route;
use crate::run::sandbox::Control;

/// Arguments of `handler test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch handler test greet examples/greet.yml  one request, by the files as they are now\n  \
    dispatch handler test greet                     the fixtures of a kind: tests/handlers/greet/*.yml\n  \
    dispatch handler test --all                     those of every kind; exit 1 where one differs\n  \
    dispatch handler test greet --update            write down what came out; read it before you commit it\n\n\
    With FILE the host file is obeyed, and what it grants is the real thing; --stand-ins puts empty folders and made-up\n\
    secrets in its place. Fixtures always have stand-ins.\n\n\
    Exit codes: 0 succeeded, or as expected; 1 failed, or not as expected; 64 rejected; 69 this machine lacks a layer;\n\
    78 row, file or schema have faults; 124 timed out"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct TestArgs {
    /// The kind
    #[arg(value_name = "KIND", required_unless_present = "all")]
    kind: Option<String>,

    /// A request of that kind; without it the kind's fixtures
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// The fixtures of every kind
    #[arg(long, conflicts_with_all = ["kind", "file"])]
    all: bool,

    /// Another level than the row's: confined and none need no namespaces
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    level: Option<Level>,

    /// With FILE: empty folders in place of the host's paths, made-up secrets, no network; what the host file grants is not asked
    #[arg(long, requires = "file")]
    stand_ins: bool,

    /// Write down what fixtures came to, where it is not what is expected
    #[arg(long, conflicts_with = "file")]
    update: bool,

    /// Keep the folder that it ran in, and say where it is
    #[arg(long)]
    keep: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The work tree and what is needed to try its handlers.
pub struct Bench {
    /// Where this is.
    pub home: Home,
    /// Top folder of the work tree.
    pub top: PathBuf,
    /// What its files say.
    pub contract: Contract,
    /// Ends what runs.
    pub control: Control,
    /// Whether that was asked for.
    pub stopped: Arc<AtomicBool>,
}

/// Answers `handler test`.
pub fn answer(place: &PlaceArgs, args: &TestArgs) -> Result<Exit, Failure> {
    let bench = Bench::open(place)?;
    if let Some(kind) = &args.kind {
        bench.knows(kind)?;
    }
    if let (Some(kind), Some(file)) = (&args.kind, &args.file) {
        return one(&bench, place, args, kind, file);
    }
    let asked = fixtures::Run {
        kind: args.kind.as_deref(),
        level: args.level,
        update: args.update,
        keep: args.keep,
        json: args.json,
    };
    fixtures::answer(&bench, &asked)
}

impl Bench {
    fn open(place: &PlaceArgs) -> Result<Self, Failure> {
        let home = Home::open(place)?;
        let Some(top) = home.checkout.work_tree.clone() else {
            let words = "this repository has no work tree, whose handlers could be tried";
            return Err(Failure::new(Exit::Configuration, words).hint("`-C DIR` names a clone that has one"));
        };
        let contract =
            contract::load_from(&Folder::open(&top)?, &mut Compiled::default()).map_err(|error| match error {
                ContractError::Repo(error) => error.into(),
                faults @ ContractError::Faults(_) => Failure::new(Exit::Configuration, faults.to_string()),
            })?;
        let control =
            Control::new().map_err(|error| Failure::new(Exit::Missing, format!("making a control: {error}")))?;
        let stopped = obey_signals(&control)?;
        Ok(Self { home, top, contract, control, stopped })
    }

    fn knows(&self, kind: &str) -> Result<(), Failure> {
        let known: Vec<&str> = self.contract.rules.index.rows().map(|(kind, _)| kind).collect();
        if known.contains(&kind) {
            return Ok(());
        }
        let failure =
            Failure::new(Exit::Configuration, format!("{} has no kind `{}`", route::PATH, visible::line(kind)));
        let listed = || format!("there are {}", known.join(", "));
        Err(failure.hint(did_you_mean(kind, known.iter().copied()).unwrap_or_else(listed)))
    }

    /// A place to try handlers in.
    pub fn stage(&self) -> Result<Stage<'_>, Failure> {
        let uids = self.home.journal().ok().flatten().and_then(|journal| kind_uids(&journal).ok());
        let repo = self.home.reader()?;
        Ok(Stage::open(&repo, &self.contract, &self.home.host, own_program(), uids, self.control.clone())?)
    }
}

fn one(bench: &Bench, place: &PlaceArgs, args: &TestArgs, kind: &str, file: &Path) -> Result<Exit, Failure> {
    let whole = place.repo.join(file);
    let shown = file.display().to_string();
    let bytes = fs::read(&whole).map_err(|error| {
        Failure::new(Exit::Configuration, format!("reading `{shown}`: {error}"))
            .hint("paths are relative to the folder that `-C` names")
    })?;
    let name = match request::file_name(whole.file_name().unwrap_or_default().as_encoded_bytes()) {
        Ok(Some(name)) => name.name,
        Ok(None) => {
            let words = format!("`{shown}` is named like no request: its name ends in .yml or .yaml");
            return Err(Failure::new(Exit::Rejected, words));
        }
        Err(fault) => return Err(Failure::new(Exit::Rejected, fault.diagnostic("requests").to_string())),
    };
    let (stand_in, attempt) = if args.stand_ins { stand_in_of(&whole)? } else { (None, 1) };
    let asked = Asked {
        shown: &shown,
        name: &name,
        bytes: &bytes,
        kind,
        level: args.level,
        stand_in: stand_in.as_ref(),
        attempt,
    };
    let mut stage = bench.stage()?;
    let printer = Mutex::new(Printer::default());
    let live = |bytes: &[u8]| {
        if !args.json {
            printer.lock().unwrap_or_else(PoisonError::into_inner).print(bytes);
        }
    };
    let came = stage.rehearse(&asked, &live)?;
    printer.into_inner().unwrap_or_else(PoisonError::into_inner).end();
    let kept = args.keep.then(|| stage.keep());
    if args.json {
        render::print_json(&to_json(kind, &shown, &came, kept.as_deref()));
    } else {
        tell(&came, kept.as_deref());
    }
    if came.record.reason.as_deref().is_some_and(|reason| reason.starts_with("not_granted")) {
        render::say(
            "hint: `--stand-ins` tries it without the host's grants: empty folders in place of paths, made-up secrets, no network",
        );
    }
    Ok(exit_of(came.record.outcome))
}

/// What a file that is a fixture finds, by its own expectation; any other finds nothing.
fn stand_in_of(request: &Path) -> Result<(Option<StandIn>, u32), Failure> {
    let beside = fixtures::expectation_of(request);
    let given = match fs::read(&beside) {
        Ok(bytes) => {
            let read = fixture::read(&beside.display().to_string(), &bytes);
            read.map_err(|faults| fixtures::at_fault(&faults))?.given
        }
        Err(_) => fixture::Given::default(),
    };
    let attempt = given.attempt.unwrap_or(1);
    Ok((Some(given.into()), attempt))
}

/// Prints what a handler prints, line by line.
#[derive(Default)]
struct Printer {
    open: Vec<u8>,
}

impl Printer {
    fn print(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
        while let Some(end) = self.open.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.open.drain(..=end).collect();
            render::print(format!("  | {}", visible::printed(&line[..end])));
        }
    }

    fn end(&mut self) {
        if !self.open.is_empty() {
            self.print(b"\n");
        }
    }
}

fn tell(came: &Rehearsal, kept: Option<&Path>) {
    let record = &came.record;
    for fault in &came.faults {
        render::print(fault.to_string());
    }
    let reason = record.reason.as_deref().map(|reason| format!(": {}", visible::line(reason))).unwrap_or_default();
    let colour = if record.outcome == Outcome::Succeeded { "32" } else { "31" };
    render::print(format!("{}{reason}", render::paint(record.outcome.as_str(), colour)));
    let row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            render::print(format!("  {name:<10} {}", visible::line(&value)));
        }
    };
    row("exit code", record.exit_code.map(|code| code.to_string()));
    row("took", record.duration_ms.map(render::duration));
    row("resource", (!record.resource.is_empty()).then(|| record.resource.join(", ")));
    row("sandbox", record.sandbox.as_ref().map(|sandbox| format!("{} ({})", sandbox.level, sandbox.layers.join(", "))));
    row("result", record.result.as_ref().map(Value::to_string));
    let own = (!record.handler.is_empty()).then(|| Value::Object(record.handler.clone()).to_string());
    row("status.yml", own);
    for artifact in &came.artifacts {
        row("artifact", Some(format!("{} ({} bytes)", artifact.path, artifact.bytes)));
    }
    for (name, lines) in [
        ("limit hit", &came.limits),
        ("warning", &record.warnings),
        ("not kept", &record.skipped),
        ("not a run", &came.differs),
    ] {
        for line in lines {
            row(name, Some(line.clone()));
        }
    }
    row("kept", kept.map(|path| path.display().to_string()));
}

fn to_json(kind: &str, file: &str, came: &Rehearsal, kept: Option<&Path>) -> Value {
    json!({
        "v": 1,
        "kind": kind,
        "file": file,
        "outcome": came.record.outcome,
        "reason": came.record.reason,
        "diagnostics": came.faults,
        "output": String::from_utf8_lossy(&came.output),
        "artifacts": came.artifacts,
        "limits": came.limits,
        "differs": came.differs,
        "record": came.record,
        "kept": kept,
    })
}

fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Succeeded => Exit::Done,
        Outcome::Rejected | Outcome::Expired => Exit::Rejected,
        Outcome::TimedOut => Exit::TimedOut,
        Outcome::Failed | Outcome::Killed | Outcome::Cancelled | Outcome::Indeterminate => Exit::Failed,
    }
}

/// SIGTERM and SIGINT end the handler, and then us: nothing of it is left behind.
fn obey_signals(control: &Control) -> Result<Arc<AtomicBool>, Failure> {
    let stopped = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::new(Exit::Missing, format!("listening for signals: {error}")))?;
    let (control, told) = (control.clone(), Arc::clone(&stopped));
    // Ends with the process: it waits for signals and holds nothing else.
    let listens = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in &mut signals {
            told.store(true, Ordering::Relaxed);
            control.stop();
        }
    });
    listens.map_err(|error| Failure::new(Exit::Missing, format!("starting a thread: {error}")))?;
    Ok(stopped)
}

fn level(word: &str) -> Result<Level, String> {
    Level::from_word(word).ok_or_else(|| "levels are isolated, confined and none".to_owned())
}

impl From<RehearsalError> for Failure {
    fn from(error: RehearsalError) -> Self {
        match error {
            RehearsalError::Held(_) => Self::new(Exit::Configuration, error.to_string()),
            RehearsalError::Missing(fault) => Self::new(Exit::Missing, fault.to_string())
                .hint("`--level confined` needs no namespaces, `--level none` runs it as a plain process; `dispatch --selftest` shows what this machine gives"),
            RehearsalError::Unfit(_) => Self::new(Exit::Missing, error.to_string())
                .hint("`--stand-ins` tries it without what this host has"),
            RehearsalError::Impossible(words) => Self::new(Exit::Rejected, words),
            RehearsalError::Repo(error) => error.into(),
            RehearsalError::State(error) => error.into(),
            RehearsalError::Run(ref run) if run.is_of_machine() => Self::of(Exit::Missing, &error),
            error => Self::of(Exit::Unwritable, &error),
        }
    }
}
