//! A dispatcher in this very process, with a clock of ours: years pass at a word, and a thread that asks for the time
//! can be made to panic.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use codex_dispatch::clock::{Clock, System};
use codex_dispatch::dispatch::{DispatchError, Dispatcher, Settings, Stop, Summary};
use codex_dispatch::lock::Instance;
use codex_dispatch::notify::Notifier;
use codex_dispatch::repo::{self, Checkout, Identity, Repo};
use codex_dispatch::statedir::StateDir;
use codex_dispatch::{host, repo::Settings as RepoSettings};
use jiff::{SignedDuration, Timestamp};

use crate::bench::{Bench, Tested, until};

/// The machine's clocks, moved on by hand.
#[derive(Default)]
struct Bent {
    system: System,
    ahead: Mutex<Duration>,
    /// By how much the wall clock alone was set.
    set: Mutex<SignedDuration>,
    /// The thread that panics when it asks.
    broken: Mutex<Option<&'static str>>,
}

impl Bent {
    fn move_on(&self, span: Duration) {
        *self.ahead.lock().expect("no panic") += span;
    }

    /// Sets the wall clock, as an administrator or a time service may.
    fn set_wall(&self, by: SignedDuration) {
        *self.set.lock().expect("no panic") += by;
    }

    fn break_down(&self, thread: &'static str) {
        *self.broken.lock().expect("no panic") = Some(thread);
    }
}

impl Clock for Bent {
    fn now(&self) -> Timestamp {
        let broken = *self.broken.lock().expect("no panic");
        assert!(broken.is_none() || thread::current().name() != broken, "planted by a test");
        self.system.now() + *self.ahead.lock().expect("no panic") + *self.set.lock().expect("no panic")
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() + *self.ahead.lock().expect("no panic")
    }

    fn since_boot(&self) -> Duration {
        self.system.since_boot() + *self.ahead.lock().expect("no panic")
    }
}

struct Inside {
    clock: Arc<Bent>,
    stop: Stop,
    conductor: JoinHandle<Result<Summary, DispatchError>>,
}

impl Inside {
    fn watch(bench: &Bench) -> Result<Self, Box<dyn std::error::Error>> {
        Self::watch_at(bench, SignedDuration::ZERO)
    }

    /// With a wall clock that is wrong by so much.
    fn watch_at(bench: &Bench, wrong: SignedDuration) -> Result<Self, Box<dyn std::error::Error>> {
        let checkout = Checkout::discover(&bench.world.path("clone"))?;
        let state = StateDir::locate(&checkout.common_dir, None)?;
        state.create(&checkout.common_dir)?;
        let instance = Instance::take(state.root())?;
        let host = host::load(Some(&bench.world.path("host.yaml")))?;
        let settings = RepoSettings { holds_lock: true, ..repo::Settings::new("main") };
        let repo = Repo::open(checkout, state.root(), settings)?;
        let settings = Settings {
            jobs: 2,
            push_tries: 5,
            keeper: PathBuf::from(env!("CARGO_BIN_EXE_dispatch")),
            identity: Identity { name: "T".to_owned(), email: "t@example.com".to_owned() },
            machine_paused: bench.world.path("paused"),
            notifier: Arc::new(Notifier::none()),
        };
        let clock = Arc::new(Bent::default());
        clock.set_wall(wrong);
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let dispatcher = Dispatcher::open(repo, state, instance, host, time, settings)?;
        let stop = dispatcher.stop_handle();
        let conductor = thread::Builder::new()
            .name("conductor".to_owned())
            .spawn(move || dispatcher.watch(Duration::from_hours(10_000)))?;
        Ok(Self { clock, stop, conductor })
    }

    fn ended(self) -> Result<Summary, DispatchError> {
        self.conductor.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Looks, and waits until that is over.
fn look(bench: &Bench, inside: &Inside) -> std::io::Result<()> {
    let at = || bench.standing()["at"].as_str().unwrap_or_default().to_owned();
    let before = at();
    inside.stop.look();
    until("one more look", || at() != before)
}

#[test]
fn what_nobody_asks_for_any_more_is_cleared_every_hour() -> Tested {
    let bench = Bench::new(true)?;
    let inside = Inside::watch(&bench)?;
    bench.request("quick", "a")?;
    bench.recorded("a")?;
    let spools = || std::fs::read_dir(bench.state().join("spool")).map_or(0, Iterator::count);
    // Main has it before the journal says so.
    let published = || bench.metric("codex_dispatch_last_push_success_timestamp_seconds").is_some_and(|at| at > 0.0);
    until("its publication", published)?;
    assert_eq!(spools(), 1);
    let days = |days: u64| Duration::from_hours(24 * days);
    inside.clock.move_on(days(6));
    look(&bench, &inside)?;
    assert_eq!(spools(), 1, "a server's power cut may still undo what it acknowledged");
    inside.clock.move_on(days(2));
    look(&bench, &inside)?;
    until("an empty spool", || spools() == 0)?;
    inside.stop.stop();
    inside.ended()?;
    Ok(bench.close()?)
}

/// How far the requests of the journal have come.
fn phases(bench: &Bench) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let journal = rusqlite::Connection::open(bench.state().join("journal.db"))?;
        journal.prepare("SELECT phase FROM request")?.query_map([], |row| row.get(0))?.collect()
    };
    read().unwrap_or_default()
}

#[test]
fn a_clock_that_is_set_back_delays_no_attempt() -> Tested {
    let bench = Bench::new(true)?;
    let handler = "#!/bin/sh\n[ \"$DISPATCH_ATTEMPT\" -gt 1 ] || exit 75\n";
    let index = "later: {run: handlers/later.sh, sandbox: {level: none}, delivery: at-least-once, \
                 retry: {attempts: 3, backoff: 1h, max_backoff: 1h}}\n";
    bench.merge(&[("handlers/later.sh", handler), ("handlers/index.yml", index)])?;
    let inside = Inside::watch(&bench)?;
    bench.request("later", "a")?;
    until("an attempt", || phases(&bench).contains(&"retrying".to_owned()))?;
    inside.clock.set_wall(SignedDuration::from_hours(-24));
    inside.clock.move_on(Duration::from_mins(59));
    look(&bench, &inside)?;
    assert_eq!(bench.record("a")?, "", "the pause is not over");
    inside.clock.move_on(Duration::from_mins(2));
    inside.stop.look();
    assert!(bench.recorded("a")?.contains("outcome: succeeded"));
    inside.stop.stop();
    inside.ended()?;

    // The next dispatcher finds the pause as a time of the wall clock, and that clock may be wrong by then.
    bench.request("later", "b")?;
    let inside = Inside::watch(&bench)?;
    until("an attempt", || phases(&bench).contains(&"retrying".to_owned()))?;
    inside.stop.stop();
    inside.ended()?;
    let inside = Inside::watch_at(&bench, SignedDuration::from_hours(-24))?;
    look(&bench, &inside)?;
    inside.clock.move_on(Duration::from_mins(61));
    inside.stop.look();
    assert!(bench.recorded("b")?.contains("outcome: succeeded"));
    inside.stop.stop();
    inside.ended()?;
    Ok(bench.close()?)
}

#[test]
fn not_before_and_expires_follow_the_wall_clock() -> Tested {
    let bench = Bench::new(true)?;
    let inside = Inside::watch(&bench)?;
    let at = |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).to_string();
    let early = format!("kind: quick\nnot_before: {}\n", at(5));
    let late = format!("kind: slow\nresource: x\nspec: {{name: late}}\nnot_before: {}\nexpires: {}\n", at(1), at(2));
    bench.merge(&[("requests/early.yml", &early), ("requests/late.yml", &late)])?;
    until("both are held", || bench.standing()["held"].as_array().is_some_and(|held| held.len() == 2))?;
    inside.clock.move_on(Duration::from_secs(1));
    inside.clock.set_wall(SignedDuration::from_hours(3));
    inside.stop.look();
    let late = bench.recorded("late")?;
    assert!(late.contains("outcome: expired"), "{late}");
    inside.clock.set_wall(SignedDuration::from_hours(-24));
    look(&bench, &inside)?;
    assert_eq!(bench.record("early")?, "");
    inside.clock.set_wall(SignedDuration::from_hours(27));
    inside.stop.look();
    assert!(bench.recorded("early")?.contains("outcome: succeeded"));
    assert_eq!(bench.begins("late"), 0);
    inside.stop.stop();
    inside.ended()?;
    Ok(bench.close()?)
}

#[test]
fn a_worker_that_breaks_down_ends_the_dispatcher_and_loses_nothing() -> Tested {
    let bench = Bench::new(false)?;
    bench.request("slow", "long")?;
    let inside = Inside::watch(&bench)?;
    bench.began("long")?;
    inside.clock.break_down("worker 0");
    bench.request("quick", "other")?;
    let error = inside.ended().expect_err("it ends with an error");
    assert!(matches!(&error, DispatchError::Broken { who, .. } if who == "worker 0"), "{error}");
    assert_eq!(error.to_string(), "worker 0 broke down: planted by a test");
    bench.world.must("dispatch run")?;
    let long = bench.record("long")?;
    assert!(long.contains("outcome: killed") && long.contains("reason: shutdown"), "{long}");
    let other = bench.record("other")?;
    assert!(other.contains("outcome: indeterminate"), "it was started and nobody saw the end: {other}");
    assert_eq!(bench.begins("long"), 1);
    Ok(bench.close()?)
}

#[test]
fn a_publisher_that_breaks_down_ends_the_dispatcher_and_loses_nothing() -> Tested {
    let bench = Bench::new(false)?;
    bench.request("slow", "done")?;
    bench.request("slow", "long")?;
    let inside = Inside::watch(&bench)?;
    bench.began("done")?;
    bench.began("long")?;
    inside.clock.break_down("publisher");
    bench.go("done")?;
    let error = inside.ended().expect_err("it ends with an error");
    assert!(matches!(&error, DispatchError::Broken { who, .. } if who == "the publisher"), "{error}");
    assert_eq!(bench.record("done")?, "");
    bench.world.must("dispatch run")?;
    assert!(bench.record("done")?.contains("outcome: succeeded"));
    assert!(bench.record("long")?.contains("reason: shutdown"));
    assert_eq!((bench.begins("done"), bench.begins("long")), (1, 1));
    Ok(bench.close()?)
}

#[test]
fn a_conductor_that_breaks_down_leaves_nothing_running() -> Tested {
    let bench = Bench::new(false)?;
    bench.request("slow", "long")?;
    let inside = Inside::watch(&bench)?;
    bench.began("long")?;
    inside.clock.break_down("conductor");
    inside.stop.look();
    let error = inside.ended().expect_err("it ends with an error");
    assert!(matches!(&error, DispatchError::Broken { who, .. } if who == "the conductor"), "{error}");
    bench.world.must("dispatch run")?;
    let long = bench.record("long")?;
    assert!(long.contains("outcome: indeterminate"), "{long}");
    assert_eq!(bench.begins("long"), 1);
    Ok(bench.close()?)
}
