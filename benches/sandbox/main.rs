//! What it costs to start a handler in the sandbox: the same handler, which does nothing, plain, at each level, and in bubblewrap with the
//! same view, in turn. Only differences within a run mean something; docs/performance.md says how to read them.

mod figures;
mod ways;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use codex_dispatch::run::sandbox::prepare_process;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::json;

use figures::{Measured, Series, verdict};
use ways::{Kind, Place, Way};

const PAUSE: Duration = Duration::from_millis(100);
/// Not counted: the first rounds read programs from the disk.
const WARM_UP_ROUNDS: usize = 5;
const CHECK_TRIES: usize = 3;

/// Costs of starting a handler: plain, in the sandbox, and in bubblewrap with the same view.
#[derive(Parser)]
#[command(name = "sandbox")]
struct Arguments {
    /// Rounds without a pause; with one it is a fifth of them
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(5..))]
    rounds: u16,
    /// Measure only this way and the plain one; may be given several times
    #[arg(long = "way", value_name = "NAME", value_parser = Kind::ALL.map(Kind::name))]
    ways: Vec<String>,
    /// Print JSON rather than a table
    #[arg(long)]
    json: bool,
    /// Measure three times, and fail where two of them miss what is promised by more than a tenth
    #[arg(long)]
    check: bool,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::from(70)
        }
    }
}

fn measure(arguments: &Arguments) -> Result<ExitCode, String> {
    prepare_process().map_err(|error| error.to_string())?;
    let place = Place::make(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let wanted = |kind: &Kind| {
        *kind == Kind::Plain || arguments.ways.is_empty() || arguments.ways.iter().any(|name| name == kind.name())
    };
    for kind in Kind::ALL.into_iter().filter(wanted) {
        // Also tries it once, so that what is missing shows before anything is measured.
        match kind.open(&place).and_then(|mut way| way.run()) {
            Ok(()) => there.push(kind),
            Err(why) => missing.push((kind, why)),
        }
    }
    for (kind, why) in &missing {
        eprintln!("{}: not measured: {why}", kind.name());
    }
    let rounds = usize::from(arguments.rounds);
    let mut missed = 0;
    let mut tries = Vec::new();
    for _ in 0..if arguments.check { CHECK_TRIES } else { 1 } {
        let straight = series(&place, &there, Duration::ZERO, rounds)?;
        let paused = series(&place, &there, PAUSE, rounds.div_ceil(5))?;
        if !arguments.json {
            println!("{}\n{}", straight.table(), paused.table());
        }
        let verdict = verdict(&straight, &paused);
        missed += usize::from(verdict.is_err());
        if arguments.check {
            let (word, why) = match &verdict {
                Ok(why) => ("kept", why),
                Err(why) => ("MISSED", why),
            };
            eprintln!("{word}: {why}");
        }
        tries.push(json!({ "series": [straight.json(), paused.json()], "kept": verdict.is_ok() }));
    }
    if arguments.json {
        let missing: Vec<_> = missing.iter().map(|(kind, why)| json!({ "way": kind.name(), "why": why })).collect();
        println!("{:#}", json!({ "v": 1, "benchmark": "sandbox", "missing": missing, "tries": tries }));
    }
    Ok(if arguments.check && missed >= 2 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All ways in turn. Which one begins, and which comes after which, changes from round to round: what one leaves for the kernel to clear away
/// slows the next.
fn series(place: &Place, kinds: &[Kind], pause: Duration, rounds: usize) -> Result<Series, String> {
    let mut ways: Vec<Box<dyn Way>> = kinds.iter().map(|kind| kind.open(place)).collect::<Result<_, _>>()?;
    let mut walls = vec![Vec::with_capacity(rounds); kinds.len()];
    let mut cpus = vec![Duration::ZERO; kinds.len()];
    let warm_up = if pause.is_zero() { WARM_UP_ROUNDS } else { 1 };
    for round in 0..warm_up + rounds {
        for turn in 0..kinds.len() {
            let turn = if round % 2 == 0 { turn } else { kinds.len() - 1 - turn };
            let which = (round / 2 + turn) % kinds.len();
            std::thread::sleep(pause);
            let (cpu, began) = (cpu_time()?, Instant::now());
            ways[which].run().map_err(|why| format!("{}: {why}", kinds[which].name()))?;
            let wall = began.elapsed();
            // The warm-up as well: that of a slot's own processes is known for all runs only.
            cpus[which] += cpu_time()?.saturating_sub(cpu);
            if round >= warm_up {
                walls[which].push(wall.as_secs_f64() * 1e3);
            }
        }
    }
    let mut measured = Vec::new();
    for (((kind, way), wall_ms), mut cpu) in kinds.iter().zip(ways).zip(walls).zip(cpus) {
        // What a slot's own processes used is known when they have gone; that of a slot that ran nothing is no run's.
        let of_all = children_cpu_of(|| {
            drop(way);
            Ok(())
        })?;
        cpu += of_all.saturating_sub(children_cpu_of(|| kind.open(place).map(drop))?);
        let cpu_ms = cpu.as_secs_f64() * 1e3 / f64::from(u32::try_from(warm_up + rounds).expect("a small number"));
        measured.push(Measured { kind: *kind, wall_ms, cpu_ms });
    }
    Ok(Series { pause, ways: measured })
}

/// Of this process and of all that it has waited for.
fn cpu_time() -> Result<Duration, String> {
    Ok(cpu_time_of(UsageWho::RUSAGE_SELF)? + cpu_time_of(UsageWho::RUSAGE_CHILDREN)?)
}

fn children_cpu_of(doing: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
    let before = cpu_time_of(UsageWho::RUSAGE_CHILDREN)?;
    doing()?;
    Ok(cpu_time_of(UsageWho::RUSAGE_CHILDREN)?.saturating_sub(before))
}

fn cpu_time_of(who: UsageWho) -> Result<Duration, String> {
    let usage = getrusage(who).map_err(|error| format!("getrusage: {error}"))?;
    let parts = [usage.user_time(), usage.system_time()];
    Ok(parts.map(|part| Duration::from_micros(part.num_microseconds().unsigned_abs())).into_iter().sum())
}
