//! Whether the dispatcher of a state folder gets on: that it lives, reads main, runs and publishes, each apart.
//!
//! Reads files of that folder alone (the sign of life, `status.json`, the journal), takes no lock, asks no remote and starts
//! no program, so that it may be asked every few seconds, by a probe of a container too. What was found ([`Facts`]) and what
//! is said of it ([`judge`]) are apart. Decides nothing about requests.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::utc_millis;
use crate::dispatch::Standing;
use crate::durable;
use crate::event::Event;
use crate::id::RequestId;
use crate::journal::{Journal, JournalError, Row};
use crate::state::State;
use crate::statedir::StateDir;
use crate::units::format_duration;

/// So many records that wait for main are looked at; there are never many more, since nothing is started then.
const UNPUBLISHED_MAX: usize = 1000;
/// A folder with less room is full: nothing can be written there.
const FULL_BYTES: u64 = 256 << 10;
/// With less, a person is told.
const LITTLE_BYTES: u64 = 1 << 30;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Whether everything gets on.
    #[default]
    All,
    /// Whether the process lives: where it does not, starting it again helps.
    Live,
    /// Whether it takes work: it lives, reads main, and was not told to stop.
    Ready,
}

/// One answer.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Version of this document.
    pub v: u32,
    /// Nothing that was asked about has stalled.
    pub healthy: bool,
    /// What was asked.
    pub asked: Asked,
    /// The age from which on something has stalled.
    pub max_age_ms: u64,
    /// When it was asked.
    pub at: String,
    /// The node's name, where it is known.
    pub node: Option<String>,
    /// The process that wrote `status.json` last.
    pub pid: Option<u32>,
    /// Nothing is started because somebody said so.
    pub paused: bool,
    /// It was told to stop.
    pub stopping: bool,
    /// Room on the disk of the state folder, where it can be asked for.
    pub free_bytes: Option<u64>,
    /// What was looked at, each apart.
    pub checks: Vec<Check>,
    /// What a person should know and what is no failure.
    pub notes: Vec<String>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `heartbeat`, `fetching`, `running` or `publishing`.
    pub name: &'static str,
    /// It gets on.
    pub ok: bool,
    /// What was found, in one line.
    pub detail: String,
    /// How old that is, in milliseconds, where it has an age.
    pub age_ms: Option<u64>,
    /// What to do where it has stalled.
    pub help: Option<&'static str>,
}

/// What the files say.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The conductor's last sign of life.
    pub alive: Option<Timestamp>,
    /// `status.json`.
    pub standing: Option<Standing>,
    /// What runs, and the records that wait for main; in words, why they are not known.
    pub work: Result<Work, String>,
    /// The file that keeps everything from being started.
    pub paused_by: Option<String>,
    /// Room on the disk of the state folder.
    pub free_bytes: Option<u64>,
}

/// What the journal says of the work under way.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// What was started: its id, its path, and since when it does what it does.
    pub running: Vec<(RequestId, String, Timestamp)>,
    /// What has ended and is not on main: its path, and when it ended.
    pub unpublished: Vec<(String, Timestamp)>,
}

/// Reads the files of a state folder.
pub fn look(state: &StateDir, machine_paused: &Path) -> Facts {
    let changed = std::fs::metadata(state.alive()).and_then(|file| file.modified());
    let work =
        Journal::open_to_read(state.root()).and_then(|journal| journal.map_or(Ok(Work::default()), |it| work(&it)));
    let paused = [state.paused(), machine_paused.to_owned()].into_iter().find(|file| file.exists());
    Facts {
        alive: changed.ok().and_then(|time| Timestamp::try_from(time).ok()),
        standing: Standing::read(state),
        work: work.map_err(|error| error.to_string()),
        paused_by: paused.map(|file| file.display().to_string()),
        free_bytes: durable::free_room(state.root()).ok().map(|room| room.bytes),
    }
}

fn work(journal: &Journal) -> Result<Work, JournalError> {
    let mut work = Work::default();
    for row in journal.open_in(&["running", "acting", "ended", "built"])? {
        let since = |text: &str| text.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
        match &row.state {
            State::Running { .. } => work.running.push((row.id, row.path.clone(), since(&row.changed_at))),
            State::Acting { now: crate::state::Act::Running, .. } => {
                work.running.push((row.id, row.path.clone(), since(&row.changed_at)));
            }
            State::Ended { .. } | State::Built { .. } if work.unpublished.len() < UNPUBLISHED_MAX => {
                work.unpublished.push((row.path.clone(), since(&ended_at(journal, &row)?)));
            }
            _ => {}
        }
    }
    Ok(work)
}

/// The row changes with every commit that is built for it, so that the step is asked.
fn ended_at(journal: &Journal, row: &Row) -> Result<String, JournalError> {
    let steps = journal.events(row.id)?;
    let last = steps.into_iter().rev().find(|(_, event)| matches!(event, Event::Exit { terminal: true, .. }));
    Ok(last.map_or_else(|| row.changed_at.clone(), |(at, _)| at))
}

/// What is said of it.
pub fn judge(facts: &Facts, now: Timestamp, asked: Asked, max_age: Duration) -> Health {
    let question = Question { facts, now, max_age };
    let checks = match asked {
        Asked::Live => vec![question.heartbeat()],
        Asked::Ready => vec![question.heartbeat(), question.fetching(true)],
        Asked::All => {
            vec![question.heartbeat(), question.fetching(false), question.running(), question.publishing()]
        }
    };
    let standing = facts.standing.as_ref();
    let paused = facts.paused_by.is_some() || standing.is_some_and(|standing| standing.paused);
    Health {
        v: 1,
        healthy: checks.iter().all(|check| check.ok),
        asked,
        max_age_ms: millis(max_age),
        at: utc_millis(now),
        node: standing.map(|standing| standing.node.clone()).filter(|node| !node.is_empty()),
        pid: standing.map(|standing| standing.pid),
        paused,
        stopping: standing.is_some_and(|standing| standing.stopping),
        free_bytes: facts.free_bytes,
        notes: question.notes(paused),
        checks,
    }
}

struct Question<'a> {
    facts: &'a Facts,
    now: Timestamp,
    max_age: Duration,
}

impl Question<'_> {
    fn heartbeat(&self) -> Check {
        const NAME: &str = "heartbeat";
        const START: &str = "see `systemctl status dispatch` or the container's log; `dispatch watch` starts it";
        const STUCK: &str =
            "where the process still lives it is stuck: start it again, what ran is judged as after a crash";
        let told = self.facts.standing.as_ref().and_then(|standing| standing.at.parse::<Timestamp>().ok());
        let Some(last) = self.facts.alive.max(told) else {
            return Check::stalled(NAME, "no dispatcher has worked on this state folder yet", None, START);
        };
        let age = self.age(last);
        let words = format!("the last sign of life was {}, at {}", ago(age), utc_millis(last));
        if self.is_old(last) {
            let room = if self.is_full() { "; the disk of the state folder is full" } else { "" };
            return Check::stalled(NAME, format!("{words}{}{room}", self.too_short()), Some(age), STUCK);
        }
        Check::fine(NAME, words, Some(age))
    }

    /// `takes`: new work is to be taken as well.
    fn fetching(&self, takes: bool) -> Check {
        const NAME: &str = "fetching";
        const REMOTE: &str = "try `git fetch` as the dispatcher's user; `dispatch` says what is in the way";
        let Some(standing) = &self.facts.standing else {
            return Check::stalled(NAME, "main was never read", None, REMOTE);
        };
        let last = standing.fetched_at.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
        if standing.stopping {
            let words = "it was told to stop, and reads main no more";
            let check = if takes { Check::stalled(NAME, words, None, REMOTE) } else { Check::fine(NAME, words, None) };
            return Check { help: None, ..check };
        }
        let obstacle = standing.obstacle.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        let Some(last) = last else {
            return Check::stalled(NAME, format!("main was never read{obstacle}"), None, REMOTE);
        };
        let age = self.age(last);
        let words = format!("main was last read {}, at {}", ago(age), utc_millis(last));
        if self.is_old(last) {
            return Check::stalled(NAME, format!("{words}{obstacle}{}", self.too_short()), Some(age), REMOTE);
        }
        Check::fine(NAME, words, Some(age))
    }

    fn running(&self) -> Check {
        const NAME: &str = "running";
        const LATE: &str = "`dispatch logs ID` shows how far it came; its supervisor should have ended it";
        const ADOPT: &str = "look, then `dispatch adopt --dry-run`";
        let work = match &self.facts.work {
            Ok(work) => work,
            Err(words) => {
                return Check::stalled(NAME, words.clone(), None, "`dispatch --selftest` tries the state folder");
            }
        };
        let standing = self.facts.standing.as_ref();
        if let Some(words) = standing.and_then(|standing| standing.adopt.as_ref()) {
            return Check::stalled(NAME, words.clone(), None, ADOPT);
        }
        let may_take = |id: &RequestId| standing.and_then(|standing| standing.may_take_ms.get(id)).copied();
        let late = work.running.iter().filter_map(|(id, path, since)| {
            let (age, most) = (self.age(*since), Duration::from_millis(may_take(id)?));
            // Its end has to be noticed and written down.
            (age > most.saturating_add(self.max_age)).then_some((age, most, id, path))
        });
        if let Some((age, most, id, path)) = late.max_by_key(|(age, most, ..)| age.saturating_sub(*most)) {
            let words =
                format!("{} ({path}) was started {} and may take {}", id.short(), ago(age), format_duration(most));
            return Check::stalled(NAME, words, Some(age), LATE);
        }
        let oldest = work.running.iter().map(|(.., since)| self.age(*since)).max();
        let words = oldest.map_or_else(
            || "nothing runs".to_owned(),
            |oldest| format!("{} running, the longest since {}", work.running.len(), span(oldest)),
        );
        Check::fine(NAME, words, oldest)
    }

    fn publishing(&self) -> Check {
        const NAME: &str = "publishing";
        const PUSH: &str =
            "`dispatch` says what is in the way; docs/publishing.md has what each answer of a server means";
        let work = match &self.facts.work {
            Ok(work) => work,
            Err(words) => {
                return Check::stalled(NAME, words.clone(), None, "`dispatch --selftest` tries the state folder");
            }
        };
        let standing = self.facts.standing.as_ref();
        let obstacle = standing.and_then(|standing| standing.obstacle.as_ref());
        let obstacle = obstacle.map(|words| format!(": {words}")).unwrap_or_default();
        let oldest = work.unpublished.iter().min_by_key(|(_, ended)| *ended);
        let age = oldest.map(|(_, ended)| self.age(*ended));
        if standing.is_some_and(|standing| standing.circuit.is_some()) {
            return Check::stalled(NAME, format!("the remote declines every record{obstacle}"), age, PUSH);
        }
        let Some(((path, ended), age)) = oldest.zip(age) else {
            return Check::fine(NAME, "no record waits for main", None);
        };
        let words =
            format!("{} not on main yet, the oldest ({path}) since {}", count(work.unpublished.len()), span(age));
        if self.is_old(*ended) {
            return Check::stalled(NAME, format!("{words}{obstacle}"), Some(age), PUSH);
        }
        Check::fine(NAME, words, Some(age))
    }

    fn notes(&self, paused: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(file) = &self.facts.paused_by {
            notes.push(format!("paused: nothing is started while `{file}` exists"));
        } else if paused {
            notes.push("paused: nothing is started".to_owned());
        }
        if self.is_full() {
            notes.push("the disk of the state folder is full: nothing goes on until there is room".to_owned());
        } else if let Some(bytes) = self.facts.free_bytes.filter(|bytes| *bytes < LITTLE_BYTES) {
            notes.push(format!("the disk of the state folder has {} MiB left", bytes >> 20));
        }
        let Some(standing) = &self.facts.standing else { return notes };
        if standing.stopping {
            notes.push("it was told to stop, and waits for what runs".to_owned());
        }
        notes.extend(standing.waiting.clone());
        notes.extend(standing.faults.iter().map(|fault| fault.lines().next().unwrap_or_default().to_owned()));
        let held = standing.held.iter().filter(|held| !held.by.is_elsewhere()).count();
        if held > 0 {
            notes.push(format!("{held} held (`dispatch list` shows why)"));
        }
        notes
    }

    fn is_full(&self) -> bool {
        self.facts.free_bytes.is_some_and(|bytes| bytes < FULL_BYTES)
    }

    /// What lies ahead has no age; where it lies far ahead the clock was set back, and is as good as old.
    fn is_old(&self, time: Timestamp) -> bool {
        self.age(time) > self.max_age || time.duration_since(self.now).as_secs() > seconds(self.max_age)
    }

    fn age(&self, time: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(time)).unwrap_or_default()
    }

    /// Said where nothing can be as young as is asked for.
    fn too_short(&self) -> String {
        let interval =
            self.facts.standing.as_ref().and_then(|standing| standing.interval_ms).map(Duration::from_millis);
        let too_long = interval.filter(|interval| *interval >= self.max_age);
        too_long.map_or_else(String::new, |interval| {
            format!("; it looks every {}, so ask with a longer --max-age", format_duration(interval))
        })
    }
}

impl Check {
    fn fine(name: &'static str, detail: impl Into<String>, age: Option<Duration>) -> Self {
        Self { name, ok: true, detail: detail.into(), age_ms: age.map(millis), help: None }
    }

    fn stalled(name: &'static str, detail: impl Into<String>, age: Option<Duration>, help: &'static str) -> Self {
        Self { ok: false, help: Some(help), ..Self::fine(name, detail, age) }
    }
}

fn count(records: usize) -> String {
    if records == 1 { "1 record is".to_owned() } else { format!("{records} records are") }
}

fn span(age: Duration) -> String {
    format_duration(Duration::from_secs(age.as_secs()))
}

fn ago(age: Duration) -> String {
    format!("{} ago", span(age))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-01-02T03:04:05.000Z";

    fn at() -> Timestamp {
        AT.parse().expect("a time")
    }

    fn id() -> RequestId {
        RequestId::derived("c", "requests/a.yml", "b")
    }

    /// A dispatcher that got on at that time.
    fn well() -> Facts {
        let standing = Standing {
            at: AT.to_owned(),
            fetched_at: Some(AT.to_owned()),
            interval_ms: Some(15_000),
            node: "n".to_owned(),
            ..Standing::default()
        };
        Facts {
            alive: Some(at()),
            standing: Some(standing),
            work: Ok(Work::default()),
            paused_by: None,
            free_bytes: None,
        }
    }

    fn with(change: impl FnOnce(&mut Facts, &mut Standing, &mut Work)) -> Facts {
        let mut facts = well();
        let (mut standing, mut work) = (facts.standing.take().expect("there"), Work::default());
        change(&mut facts, &mut standing, &mut work);
        facts.standing = Some(standing);
        facts.work = facts.work.and(Ok(work));
        facts
    }

    fn stalled(facts: &Facts, later: u64, asked: Asked) -> Vec<&'static str> {
        let now = at() + Duration::from_secs(later);
        let health = judge(facts, now, asked, Duration::from_mins(2));
        let stalled: Vec<_> = health.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
        assert_eq!(health.healthy, stalled.is_empty());
        stalled
    }

    #[test]
    fn each_stall_is_found_apart_and_only_from_its_age_on() {
        let lives = |facts: &mut Facts, seconds| facts.alive = Some(at() + Duration::from_secs(seconds));
        let reads = |standing: &mut Standing, seconds| {
            standing.fetched_at = Some(utc_millis(at() + Duration::from_secs(seconds)));
        };
        let running = |facts: &mut Facts, standing: &mut Standing, work: &mut Work| {
            lives(facts, 150);
            reads(standing, 150);
            standing.may_take_ms.insert(id(), 60_000);
            work.running.push((id(), "requests/a.yml".to_owned(), at()));
        };
        let unpublished = |facts: &mut Facts, standing: &mut Standing, work: &mut Work| {
            lives(facts, 60);
            reads(standing, 60);
            work.unpublished.push(("requests/a.yml".to_owned(), at()));
        };
        let away = |facts: &mut Facts, standing: &mut Standing, _: &mut Work| {
            lives(facts, 60);
            standing.obstacle = Some("the remote does not answer".to_owned());
        };
        for (facts, later, expected) in [
            (well(), 0, vec![]),
            (well(), 120, vec![]),
            (well(), 121, vec!["heartbeat", "fetching"]),
            (with(away), 120, vec![]),
            (with(away), 121, vec!["fetching"]),
            (with(running), 180, vec![]),
            (with(running), 181, vec!["running"]),
            (with(unpublished), 120, vec![]),
            (with(unpublished), 121, vec!["publishing"]),
            (with(|_, standing, _| standing.adopt = Some("main was rewritten".to_owned())), 0, vec!["running"]),
            (with(|facts, _, _| facts.work = Err("unreadable".to_owned())), 0, vec!["running", "publishing"]),
            (Facts { standing: None, alive: None, ..well() }, 0, vec!["heartbeat", "fetching"]),
        ] {
            assert_eq!(stalled(&facts, later, Asked::All), expected, "{facts:?} after {later} s");
        }
    }

    #[test]
    fn what_helps_by_a_restart_is_apart_from_what_takes_work() {
        let stopping = with(|_, standing, _| standing.stopping = true);
        assert_eq!(stalled(&stopping, 0, Asked::All), Vec::<&str>::new());
        assert_eq!(stalled(&stopping, 0, Asked::Live), Vec::<&str>::new());
        assert_eq!(stalled(&stopping, 0, Asked::Ready), ["fetching"]);
        let away = with(|facts, _, _| facts.alive = Some(at() + Duration::from_secs(500)));
        assert_eq!(stalled(&away, 500, Asked::Live), Vec::<&str>::new());
        assert_eq!(stalled(&away, 500, Asked::Ready), ["fetching"]);
        assert_eq!(stalled(&well(), 500, Asked::Live), ["heartbeat"]);
    }

    #[test]
    fn a_pause_is_said_and_no_failure() {
        let facts = with(|facts, _, _| facts.paused_by = Some("/s/paused".to_owned()));
        let health = judge(&facts, at(), Asked::All, Duration::from_mins(2));
        assert!(health.healthy && health.paused);
        assert_eq!(health.notes, ["paused: nothing is started while `/s/paused` exists"]);
    }

    #[test]
    fn a_disk_that_fills_is_said_before_it_is_full() {
        let notes = |bytes| {
            let facts = Facts { free_bytes: Some(bytes), ..well() };
            judge(&facts, at(), Asked::All, Duration::from_mins(2)).notes
        };
        assert_eq!(notes(1 << 30), Vec::<String>::new());
        assert_eq!(notes(512 << 20), ["the disk of the state folder has 512 MiB left"]);
        assert!(notes(0)[0].contains("is full"));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_it_young() {
        let facts = with(|facts, standing, _| {
            facts.alive = Some(at() + Duration::from_hours(1));
            standing.fetched_at = Some(utc_millis(at() + Duration::from_hours(1)));
        });
        assert_eq!(stalled(&facts, 0, Asked::All), ["heartbeat", "fetching"]);
        // Other processes' clocks may differ by a little.
        assert_eq!(stalled(&facts, 3599, Asked::All), Vec::<&str>::new());
    }

    #[test]
    fn an_age_that_nothing_can_have_is_said() {
        let facts = with(|_, standing, _| standing.interval_ms = Some(600_000));
        let health = judge(&facts, at() + Duration::from_mins(5), Asked::Live, Duration::from_mins(2));
        assert!(health.checks[0].detail.contains("it looks every 10m, so ask with a longer --max-age"), "{health:?}");
    }
}
