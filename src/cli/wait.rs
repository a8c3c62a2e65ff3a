//! `dispatch wait ID…`: follows requests to their end, on the machine that runs them and in any clone.
//!
//! Owns when it looks: at once where a dispatcher works on this state folder and writes something down; else main is fetched
//! at an interval, into our own copy of the repository, so that neither the user's work tree nor their branches move. A
//! request is over when its record is on main. Waiting changes nothing, and ending the wait ends nothing else.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::progress::Progress;
use super::{PlaceArgs, render, why};
use crate::clock::{Clock, System};
use crate::id::RequestId;
use crate::lock::Instance;
use crate::outcome::Outcome;
use crate::patience::Patience;
use crate::record::visible;
use crate::repo::{FetchClass, Origin, Repo};
use crate::statedir::StateWatch;
use crate::submit;
use crate::units::{format_duration, parse_duration};
use crate::view::{Line, Progress as Way, View};

/// First pause between two looks at main; it grows while nothing happens.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Hosts say something new once a minute at most.
const HOSTS_EVERY: Duration = Duration::from_secs(30);
/// Pauses while main cannot be read.
const PAUSE_SILENT_MAX: Duration = Duration::from_mins(1);
/// For so long main may not be read before waiting has no sense any more.
const SILENT_MAX: Duration = Duration::from_mins(5);
/// What no watch tells of is seen after this long on the machine itself: a dispatcher that went away, for example.
const TICK: Duration = Duration::from_secs(2);
/// And how often a line on a terminal says how long it has been.
const BREATH: Duration = Duration::from_secs(1);
/// A dispatcher that writes down one step after the other is not looked at more often.
const BETWEEN: Duration = Duration::from_millis(20);

/// Arguments of `wait`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch wait release-42\n  dispatch wait release-42 backup-7 --timeout 10m\n  \
    dispatch wait 0198c0de --json\n  dispatch wait release-42 && echo succeeded\n\n\
    Exit codes: 0 all succeeded, 1 one did not, 64 rejected or expired, 124 it timed out, or the waiting did (--timeout),\n\
    75 main could not be read for 5 minutes, 130 Ctrl-C. A request ends when its record is on main. A whole id may be waited\n\
    for before its pull request is merged.")]
pub struct WaitArgs {
    /// Ids of requests, the beginning or end of them (4 characters or more), or names
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,

    #[command(flatten)]
    how: How,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How long is waited, and how often main is read.
#[derive(Clone, Debug, Default, Args)]
pub struct How {
    /// Give up after this long (exit 124); the requests go on
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub timeout: Option<Duration>,

    /// Pause between looks at main, where no dispatcher works here [default: 2s, growing to 15s]
    #[arg(long, value_name = "SPAN", value_parser = pause)]
    pub interval: Option<Duration>,
}

/// What has become of a request that was waited for.
#[derive(Clone, Debug, Serialize)]
pub struct Waited {
    /// Its id.
    pub id: RequestId,
    /// Where it stands: its outcome, `withdrawn`, or the state in which the wait has left it.
    pub state: String,
    /// Whether it is over.
    pub over: bool,
    /// The request, as far as main has it.
    pub request: Option<Line>,
}

/// How the wait itself came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Over,
    TimedOut,
    Interrupted,
}

/// What wakes it.
enum Event {
    /// A dispatcher has written something down, or the branch may have moved.
    Changed,
    /// Ctrl-C, or TERM.
    Signal,
}

/// Answers `wait`.
pub fn answer(place: &PlaceArgs, args: &WaitArgs) -> Result<Exit, Failure> {
    until_ended(&Home::open(place)?, &args.ids, &args.how, args.json)
}

/// Waits for requests, by id or name, and prints what has become of them: for `wait` and for those that wait for what they
/// have put on main themselves. A whole id needs not be there yet.
pub fn until_ended(home: &Home, words: &[String], how: &How, json: bool) -> Result<Exit, Failure> {
    let mut follower = Follower::start(home, how)?;
    let ids = follower.resolve(words)?;
    follower.follow(&ids, if json { Told::Json } else { Told::Lines })
}

/// Waits for one request and prints nothing: the exit code is that of `wait`.
pub fn quietly(home: &Home, id: RequestId) -> Result<Exit, Failure> {
    Follower::start(home, &How::default())?.follow(&[id], Told::Nothing)
}

/// What is printed of what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Lines,
    Json,
    Nothing,
}

struct Follower<'home> {
    home: &'home Home,
    how: &'home How,
    view: View,
    /// Reads main; none where nothing is to be fetched.
    remote: Option<Repo>,
    began: Instant,
    events: (Sender<Event>, Receiver<Event>),
    /// Says when the dispatcher here writes something down.
    state_watch: Option<StateWatch>,
    pauses: Pauses,
    /// When it is read next what hosts say of themselves.
    hosts_at: Instant,
    patience: Patience,
    progress: Option<Progress>,
}

/// When main is read next.
struct Pauses {
    next: Instant,
    pause: Duration,
    /// Since when, how often, and why it could not be read.
    silent: Option<(Instant, u32, String)>,
}

impl<'home> Follower<'home> {
    fn start(home: &'home Home, how: &'home How) -> Result<Self, Failure> {
        if let Some(words) = home.closed() {
            let hint = "ask as the dispatcher's user or as root, or wait in a clone of your own";
            return Err(Failure::new(Exit::NotPublished, words).hint(hint));
        }
        // First our own copy of the repository: the view reads it, where it is there.
        let remote = home.reader()?;
        let remote = matches!(remote.origin(), Origin::Remote { .. }).then(|| home.shared_repo()).transpose()?;
        let view = home.view()?;
        let began = Instant::now();
        let pauses = Pauses { next: began, pause: how.interval.unwrap_or(PAUSE_FIRST), silent: None };
        let (patience, events) = (Patience::default(), channel());
        heed_signals(&events.0, &patience)?;
        let remote = remote.map(|repo| repo.reopen(patience.clone())).transpose()?;
        let mut follower = Self {
            home,
            how,
            view,
            remote,
            began,
            events,
            state_watch: None,
            pauses,
            hosts_at: began,
            patience,
            progress: Progress::start(),
        };
        follower.look()?;
        Ok(follower)
    }

    /// The requests that words mean.
    fn resolve(&mut self, words: &[String]) -> Result<Vec<RequestId>, Failure> {
        let mut ids = Vec::new();
        for word in words {
            let id = match self.view.find_near(word) {
                Ok(line) => line.id,
                Err(error) => word.parse().map_err(|_| Failure::from(error))?,
            };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    fn follow(mut self, ids: &[RequestId], tell: Told) -> Result<Exit, Failure> {
        let mut waited: Vec<Waited> = ids.iter().map(|id| Waited::unknown(*id)).collect();
        let mut told = BTreeSet::new();
        let end = loop {
            self.look()?;
            for one in waited.iter_mut().filter(|one| !one.over) {
                let before = one.state.clone();
                one.look(&self.view)?;
                if one.state != before {
                    tracing::debug!("{}: {}", one.name(), one.state);
                    self.pauses.something_happened(self.how.interval);
                }
            }
            for one in waited.iter().filter(|one| one.over && tell == Told::Lines) {
                if told.insert(one.id) {
                    render::print(one.words());
                }
            }
            if waited.iter().all(|one| one.over) {
                break End::Over;
            }
            if let Some(progress) = &self.progress {
                progress.say(&self.words(&waited));
            }
            if let Some(end) = self.wait() {
                break end;
            }
        };
        drop(self.progress.take());
        let waited_for = self.began.elapsed();
        if tell == Told::Json {
            render::print_json(&serde_json::json!({
                "v": 1, "timed_out": end == End::TimedOut, "interrupted": end == End::Interrupted,
                "waited_ms": u64::try_from(waited_for.as_millis()).unwrap_or(u64::MAX), "requests": waited,
            }));
        }
        for one in waited.iter().filter(|one| !one.over) {
            tracing::warn!("{} is {} still, and goes on", one.name(), one.state);
        }
        Ok(match end {
            End::Over => exit_of(&waited),
            End::TimedOut => Exit::TimedOut,
            End::Interrupted => Exit::Interrupted,
        })
    }

    /// Whether a dispatcher works on this state folder now: it reads main itself, and we see at once what it does.
    fn is_dispatched_here(&self) -> bool {
        let root = self.home.state.root();
        root.is_dir() && Instance::is_held(root)
    }

    /// Brings what is known here up, and main where that is due and nobody else does.
    fn look(&mut self) -> Result<(), Failure> {
        if self.state_watch.is_none() {
            let events = self.events.0.clone();
            // Before the first look at what it watches. Where it cannot be had, the tick does it.
            self.state_watch = self.home.state.watch(move || drop(events.send(Event::Changed))).ok();
        }
        if self.remote.is_some() && self.pauses.next <= Instant::now() && !self.is_dispatched_here() {
            self.fetch()?;
        }
        Ok(self.view.refresh()?)
    }

    fn fetch(&mut self) -> Result<(), Failure> {
        let Some(repo) = &mut self.remote else { return Ok(()) };
        let fetched = if repo.unmoved().is_some() { Ok(()) } else { submit::fetch(repo).map(drop) };
        let now = Instant::now();
        if fetched.is_ok() && self.hosts_at <= now {
            // Some servers have none, or show none: then nobody knows why it waits.
            if let Err(error) = repo.fetch_hosts() {
                tracing::debug!("reading what hosts say of themselves: {}", error.words);
            }
            self.hosts_at = now + HOSTS_EVERY;
        }
        let error = match fetched {
            Err(error) if error.class != FetchClass::Empty && !self.patience.is_over() => error,
            _ => {
                if self.pauses.silent.take().is_some() {
                    tracing::info!("main can be read again");
                }
                self.pauses.plan(now, self.how.interval);
                return Ok(());
            }
        };
        let is_first = self.view.tip().is_none() || matches!(error.class, FetchClass::Protocol);
        let (since, times) = self.pauses.silent.as_ref().map_or((now, 0), |(since, times, _)| (*since, *times));
        if times == 0 {
            tracing::warn!("main cannot be read, trying again: {}", visible::line(first_line(&error.words)));
        }
        if is_first || now.duration_since(since) >= SILENT_MAX {
            let exit = if is_first { Exit::Missing } else { Exit::NotPublished };
            let hint =
                "the requests go on; `dispatch --selftest` tries the remote, and the same command can be given again";
            return Err(Failure::new(exit, error.to_string()).hint(hint));
        }
        let pause = self.pauses.pause.saturating_mul(1 << times.min(5)).min(PAUSE_SILENT_MAX);
        self.pauses.next = now + pause;
        self.pauses.silent = Some((since, times + 1, error.words));
        Ok(())
    }

    /// Until something has happened or is due.
    fn wait(&self) -> Option<End> {
        let deadline = self.how.timeout.map(|timeout| self.began + timeout);
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Some(End::TimedOut);
        }
        let tick = now + if self.progress.is_some() { BREATH } else { TICK };
        let fetch = self.remote.is_some().then_some(self.pauses.next).filter(|next| *next > now);
        let until = [Some(tick), fetch, deadline].into_iter().flatten().min().unwrap_or(tick);
        match self.events.1.recv_timeout(until.saturating_duration_since(now)) {
            Ok(Event::Signal) => return Some(End::Interrupted),
            Ok(Event::Changed) => std::thread::sleep(BETWEEN),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
        }
        // What came meanwhile is answered by the one look that follows.
        let signal = self.events.1.try_iter().any(|event| matches!(event, Event::Signal));
        signal.then_some(End::Interrupted)
    }

    /// For the line on the terminal.
    fn words(&self, waited: &[Waited]) -> String {
        let long = format_duration(Duration::from_secs(self.began.elapsed().as_secs()));
        let silent =
            self.pauses.silent.as_ref().map(|(_, _, words)| format!("; main cannot be read: {}", first_line(words)));
        let open: Vec<&Waited> = waited.iter().filter(|one| !one.over).collect();
        let is_waiting =
            |one: &&Waited| one.state == "pending" && one.request.as_ref().is_some_and(|line| line.reason.is_none());
        let nobody = open.first().filter(|one| is_waiting(one) && self.view.standing().is_none());
        let nobody = nobody.and_then(|_| why::nobody_has_it(&self.view, System::new().now()));
        let nobody = nobody.map(|(_, _, words)| format!("; {words}")).unwrap_or_default();
        let what = match &open[..] {
            [one] if waited.len() == 1 => format!("{}: {}", one.name(), one.standing()),
            _ => {
                let over = waited.len() - open.len();
                let first = open.first().map_or_else(String::new, |one| format!("{}: {}", one.name(), one.standing()));
                format!("{over} of {} ended; {first}", waited.len())
            }
        };
        format!("[{long}] {what}{nobody}{}", silent.unwrap_or_default())
    }
}

impl Pauses {
    fn plan(&mut self, now: Instant, interval: Option<Duration>) {
        self.next = now + self.pause;
        self.pause = interval.unwrap_or_else(|| self.pause.mul_f64(1.25).min(PAUSE_MAX));
    }

    /// Where something happens, more will.
    fn something_happened(&mut self, interval: Option<Duration>) {
        self.pause = interval.unwrap_or(PAUSE_FIRST);
        self.next = self.next.min(Instant::now() + self.pause);
    }
}

impl Waited {
    fn unknown(id: RequestId) -> Self {
        Self { id, state: "unknown".to_owned(), over: false, request: None }
    }

    fn look(&mut self, view: &View) -> Result<(), Failure> {
        let (state, over, request) = match view.progress(self.id)? {
            Some(Way::UnderWay(line)) => (line.state.clone(), false, Some(line)),
            Some(Way::Over(line)) => (line.state.clone(), true, Some(line)),
            Some(Way::Withdrawn) => ("withdrawn".to_owned(), true, self.request.take()),
            // A clone sees no more of it than this: it was in the inbox, and is gone without a record.
            None if self.request.is_some() => ("withdrawn".to_owned(), true, self.request.take()),
            None => ("unknown".to_owned(), false, None),
        };
        (self.state, self.over, self.request) = (state, over, request);
        Ok(())
    }

    fn name(&self) -> String {
        self.request.as_ref().map_or_else(|| self.id.short(), |line| line.name.clone())
    }

    /// Where it stands, with why.
    fn standing(&self) -> String {
        let Some(line) = &self.request else { return "not on main yet".to_owned() };
        match line.reason.as_deref().map(first_line) {
            Some(reason) => format!("{} ({reason})", self.state),
            None => self.state.clone(),
        }
    }

    /// One line about its end.
    fn words(&self) -> String {
        let Some(line) = &self.request else { return format!("{} {}", self.id.short(), self.state) };
        let mut words = format!("{} {} {}", self.id.short(), line.name, self.state);
        if let Some(span) = line.duration_ms {
            words.push_str(" in ");
            words.push_str(&render::duration(span));
        }
        let resolved = line.resolved.as_ref().map(crate::command::Resolution::words);
        let why = resolved.as_deref().or(line.reason.as_deref()).map(first_line);
        if let Some(why) = why.filter(|why| *why != self.state) {
            words.push_str(": ");
            words.push_str(&visible::line(why));
        }
        words
    }

    fn exit(&self) -> Exit {
        let Some(line) = self.request.as_ref().filter(|_| self.over) else { return Exit::Failed };
        match self.state.parse() {
            _ if line.has_succeeded() => Exit::Done,
            Ok(Outcome::Rejected | Outcome::Expired) => Exit::Rejected,
            Ok(Outcome::TimedOut) => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}

fn first_line(words: &str) -> &str {
    words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The first that applies of 1, 124, 64 and 0.
fn exit_of(waited: &[Waited]) -> Exit {
    let exits: Vec<Exit> = waited.iter().map(Waited::exit).collect();
    [Exit::Failed, Exit::TimedOut, Exit::Rejected].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Done)
}

fn heed_signals(events: &Sender<Event>, patience: &Patience) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(Exit::Missing, format!("listening for signals: {error}")))?;
    let (events, patience) = (events.clone(), patience.clone());
    // Ends with the process: it waits for signals and holds nothing else.
    let listens = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in &mut signals {
            patience.end();
            let _ = events.send(Event::Signal);
        }
    });
    listens.map(drop).map_err(|error| Failure::new(Exit::Missing, format!("starting a thread: {error}")))
}

/// A span of time on the command line.
pub fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn pause(text: &str) -> Result<Duration, String> {
    let pause = span(text)?;
    if pause < Duration::from_millis(100) { Err("at least 100ms".to_owned()) } else { Ok(pause) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_is_the_exit_code() {
        let ended = |state: &str| {
            let id = RequestId::derived("c", "p", state);
            let request = Some(Line { state: state.to_owned(), ..Line::unknown(id) });
            Waited { id, state: state.to_owned(), over: true, request }
        };
        for (states, exit) in [
            (&["succeeded"][..], Exit::Done),
            (&["succeeded", "expired"], Exit::Rejected),
            (&["rejected"], Exit::Rejected),
            (&["rejected", "timed_out"], Exit::TimedOut),
            (&["timed_out", "failed"], Exit::Failed),
            (&["killed"], Exit::Failed),
            (&["cancelled"], Exit::Failed),
            (&["indeterminate"], Exit::Failed),
            (&["withdrawn"], Exit::Failed),
        ] {
            let waited: Vec<Waited> = states.iter().map(|state| ended(state)).collect();
            assert_eq!(exit_of(&waited), exit, "{states:?}");
        }
    }

    #[test]
    fn pauses_grow_while_nothing_happens_and_stay_where_somebody_says_so() {
        let now = Instant::now();
        let mut pauses = Pauses { next: now, pause: PAUSE_FIRST, silent: None };
        (0..40).for_each(|_| pauses.plan(now, None));
        assert_eq!(pauses.pause, PAUSE_MAX);
        pauses.something_happened(None);
        assert_eq!(pauses.pause, PAUSE_FIRST);
        pauses.plan(now, Some(Duration::from_secs(1)));
        pauses.plan(now, Some(Duration::from_secs(1)));
        assert_eq!(pauses.next, now + Duration::from_secs(1));
        assert!(pause("5ms").is_err() && pause("5s").is_ok());
    }
}
