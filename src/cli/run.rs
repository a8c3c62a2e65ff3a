//! `dispatch run` and `dispatch watch`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::progress::Progress;
use super::{PlaceArgs, render};
use crate::dispatch::{Dispatcher, HeldBy, LOOK_THEN_ADOPT, Summary};
use crate::notify::Notifier;
use crate::outcome::Outcome;
use crate::publish::Obstacle;
use crate::record::visible;
use crate::units::{format_duration, parse_duration};

/// Pushes in a row that may fail before a pass gives up for now.
const PUSH_TRIES: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(15);
/// Between two tries of a start on a full disk.
const ROOM_PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `run`.
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  dispatch run\n  dispatch run --strict    exit 1 where a request did not succeed\n  dispatch -C /srv/inbox run --jobs 4\n  dispatch run --json      what came of it, for programs"
)]
pub struct RunArgs {
    /// Requests that run at once [default: the host file's, else the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,

    /// Exit 1 where a request did not succeed
    #[arg(long)]
    strict: bool,

    /// Pushes in a row that may fail before the pass ends with 75
    #[arg(long, value_name = "N", default_value_t = PUSH_TRIES, value_parser = clap::value_parser!(u32).range(1..))]
    push_tries: u32,

    /// Print what came of the pass as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch watch\n  dispatch watch --interval 5s\nSIGTERM ends it after what runs, SIGHUP or `dispatch poke` makes it look at once. docs/service.md: how to run it as a service."
)]
pub struct WatchArgs {
    /// Requests that run at once [default: the host file's, else the cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: Option<u32>,

    /// Pause between looks at main [default: `DISPATCHER_INTERVAL`, the host file's, else 15s]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    interval: Option<Duration>,

    /// Pushes in a row that may fail before nothing new is started
    #[arg(long, value_name = "N", default_value_t = PUSH_TRIES, value_parser = clap::value_parser!(u32).range(1..))]
    push_tries: u32,
}

/// Answers `run`.
pub fn answer(place: &PlaceArgs, args: &RunArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let dispatcher = home.dispatcher(args.jobs, args.push_tries.max(1), Arc::new(Notifier::none()))?;
    obey_signals(&dispatcher)?;
    let dispatcher = match Progress::start() {
        Some(progress) => dispatcher.with_progress(move |words| progress.say(words)),
        None => dispatcher,
    };
    let summary = dispatcher.run()?;
    tell(&summary);
    let exit = exit_of(&summary);
    let all_succeeded = summary.ended.iter().all(|ended| ended.outcome == Outcome::Succeeded);
    let exit = if exit == Exit::Done && args.strict && !all_succeeded { Exit::Failed } else { exit };
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "exit": exit as u8, "ended": summary.ended, "published": summary.published,
            "unpublished": summary.unpublished, "held": summary.held, "faults": summary.faults,
            "obstacle": summary.obstacle.as_ref().map(Obstacle::words), "unwritable": summary.unwritable,
            "paused": summary.paused,
        }));
    }
    Ok(exit)
}

/// Answers `watch`.
pub fn answer_watch(place: &PlaceArgs, args: &WatchArgs) -> Result<Exit, Failure> {
    let notifier =
        Notifier::from_environment().map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let home = Home::open(place)?;
    let from_environment = std::env::var("DISPATCHER_INTERVAL").ok().filter(|text| !text.trim().is_empty());
    let from_environment = from_environment
        .map(|text| span(text.trim()))
        .transpose()
        .map_err(|words| Failure::new(Exit::Configuration, format!("DISPATCHER_INTERVAL: {words}")))?;
    let interval = args.interval.or(from_environment).or(home.env.interval).unwrap_or(match home.host.file.interval {
        Duration::ZERO => INTERVAL,
        interval => interval,
    });
    let Some(dispatcher) = when_there_is_room(&Arc::new(notifier), |notifier| {
        home.dispatcher(args.jobs, args.push_tries, Arc::clone(notifier))
    })?
    else {
        return Ok(Exit::Done);
    };
    obey_signals(&dispatcher)?;
    tracing::info!("looking at main every {}", format_duration(interval));
    dispatcher.watch(interval)?;
    Ok(Exit::Done)
}

/// A dispatcher that watches waits for room at its start as it does later; `None` where it was told to stop meanwhile.
fn when_there_is_room<T>(
    notifier: &Arc<Notifier>,
    open: impl Fn(&Arc<Notifier>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut told: Option<Arc<AtomicBool>> = None;
    loop {
        let opened = open(notifier);
        if told.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Ok(None);
        }
        match opened {
            Err(failure) if failure.lacks_room => {
                if told.is_none() {
                    tracing::error!("{}: the disk is full, nothing goes on until there is room", failure.message);
                    notifier.status("the disk is full: nothing goes on until there is room");
                    told = Some(stop_flag()?);
                }
                // Asks the service manager for more time as well.
                notifier.alive();
                std::thread::sleep(ROOM_PAUSE);
            }
            Ok(opened) => {
                if told.is_some() {
                    tracing::info!("there is room again");
                }
                return Ok(Some(opened));
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Set by SIGTERM or SIGINT. A SIGHUP asks for a look that is tried all the time.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for (signal, flag) in [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &Arc::default())] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|error| Failure::new(Exit::Missing, format!("listening for signals: {error}")))?;
    }
    Ok(stop)
}

/// The first that applies of 70, 78, 73, 75, 69 and 0, as docs/command-line.md says.
fn exit_of(summary: &Summary) -> Exit {
    let held = |by: &HeldBy| summary.held.iter().any(|held| held.by == *by);
    let obstacle = summary.obstacle.as_ref();
    if !summary.faults.is_empty() || matches!(obstacle, Some(Obstacle::Configuration(_))) {
        Exit::Configuration
    } else if summary.unwritable.is_some() || held(&HeldBy::Disk) {
        Exit::Unwritable
    } else if summary.unpublished > 0
        || summary.foreign.is_some()
        || summary.namesake.is_some()
        || held(&HeldBy::Restored)
        || summary.restored.is_some()
        || held(&HeldBy::WorkTree)
        || held(&HeldBy::Lock)
        || matches!(obstacle, Some(Obstacle::Rewritten { .. } | Obstacle::Declined(_) | Obstacle::Closed(_)))
    {
        Exit::NotPublished
    } else if obstacle.is_some() || held(&HeldBy::Layer) {
        Exit::Missing
    } else {
        Exit::Done
    }
}

fn tell(summary: &Summary) {
    let mut counts: Vec<(Outcome, usize)> = Vec::new();
    for outcome in Outcome::ALL {
        let count = summary.ended.iter().filter(|ended| ended.outcome == outcome).count();
        if count > 0 {
            counts.push((outcome, count));
        }
    }
    let ended: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    let mut parts = vec![if ended.is_empty() { "nothing new".to_owned() } else { ended.join(", ") }];
    if summary.published > 0 {
        parts.push(format!("{} published", summary.published));
    }
    if summary.unpublished > 0 {
        parts.push(format!("{} not published yet (kept; the next run tries again)", summary.unpublished));
    }
    let elsewhere = summary.held.iter().filter(|held| held.by.is_elsewhere()).count();
    if elsewhere > 0 {
        let verb = if elsewhere == 1 { "waits" } else { "wait" };
        parts.push(format!("{elsewhere} {verb} for other nodes (`dispatch list` shows why)"));
    }
    if summary.held.len() > elsewhere {
        parts.push(format!("{} held (`dispatch list` shows why)", summary.held.len() - elsewhere));
    }
    if summary.paused {
        parts.push("paused: nothing is started while the file `paused` exists".to_owned());
    }
    parts.extend(summary.pauses.iter().map(|pause| visible::line(&pause.words()).into_owned()));
    render::say(parts.join("; "));
    let to_look_at = summary.foreign.is_some()
        || summary.restored.is_some()
        || summary.namesake.is_some()
        || summary.held.iter().any(|held| held.by == HeldBy::Restored);
    if to_look_at || matches!(summary.obstacle, Some(Obstacle::Rewritten { .. })) {
        tracing::error!("{LOOK_THEN_ADOPT}");
    }
}

/// SIGTERM and SIGINT end it after what runs (a second one does not wait), SIGHUP makes it look.
fn obey_signals(dispatcher: &Dispatcher) -> Result<(), Failure> {
    let stop = dispatcher.stop_handle();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|error| Failure::new(Exit::Missing, format!("listening for signals: {error}")))?;
    // Ends with the process: it waits for signals and holds nothing else.
    let listens = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            if signal == SIGHUP { stop.look() } else { stop.stop() }
        }
    });
    listens.map_err(|error| Failure::new(Exit::Missing, format!("starting a thread: {error}")))?;
    Ok(dispatcher.listen()?)
}

fn span(text: &str) -> Result<Duration, String> {
    // The original dispatcher wrote plain seconds.
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds.max(1))));
    }
    parse_duration(text).map_err(|error| error.to_string())
}
