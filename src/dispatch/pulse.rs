//! The rhythm of a dispatcher that watches: when it looks again, and how it shows that it lives.
//!
//! Owns the pauses between looks (the interval; longer where main does not answer; none where somebody asks, or where the
//! branch is seen to move), the sign of life in the state folder, and what the service manager hears. Everything here is
//! called by the conductor itself, so that what it shows is its own life and nobody else's.

use std::time::Duration;

use uuid::Uuid;

use super::deliver::{AUTH_PAUSES, PUSH_PAUSES};
use super::{Dispatcher, Message, Obstacle};
use crate::clock::utc_millis;
use crate::pause::Pause;

/// A branch that moves again and again is not read more often than this.
const MOVED_PAUSE: Duration = Duration::from_millis(250);
/// What is told of a pass is brought up this often, while there is something to do.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Old files are cleared this often.
const CLEAR_EVERY: Duration = Duration::from_hours(1);

impl Dispatcher {
    /// A look is over: when the next one is due.
    pub(super) fn plan_next_look(&mut self) {
        let now = self.clock.monotonic();
        self.looked_at = Some(now);
        self.beat_at = now;
        self.look_at = self.interval.map(|interval| now.saturating_add(interval.max(self.pause_after_failures())));
        // The first look makes us ready even where main did not answer: the machine is in order, and the status says the rest.
        let first = !std::mem::replace(&mut self.ready, true);
        if first || std::mem::take(&mut self.reloading) {
            self.show_status();
            self.settings.notifier.ready();
        }
    }

    /// How long a remote that does not answer is left alone.
    fn pause_after_failures(&self) -> Duration {
        let policy = match &self.summary.obstacle {
            Some(Obstacle::Auth(_)) => AUTH_PAUSES,
            _ => PUSH_PAUSES,
        };
        if self.fetch_failures == 0 {
            return Duration::ZERO;
        }
        let random = f64::from(Uuid::new_v4().as_bytes()[0]) / 256.0;
        policy.pause_after(self.fetch_failures, || random).unwrap_or(policy.max)
    }

    /// Somebody asks for a look: whatever we waited for, they know better.
    pub(super) fn look_now(&mut self) {
        let now = self.clock.monotonic();
        self.look_at = Some(now);
        self.delivery.hurry();
        if self.interval.is_some() && self.stopping.is_none() {
            self.reloading = true;
            self.settings.notifier.reloading();
        }
    }

    /// The branch moved: it is read soon, but not again and again, and not in the middle of our own publication, which
    /// moves it too.
    pub(super) fn look_soon(&mut self) {
        self.moved = self.publishing > 0;
        if self.moved {
            return;
        }
        let soonest = self.looked_at.map_or(Duration::ZERO, |looked| looked + MOVED_PAUSE);
        let due = soonest.max(self.clock.monotonic());
        self.look_at = Some(self.look_at.map_or(due, |known| known.min(due)));
    }

    /// Notices at once when the branch moves at an origin on this machine. Where that cannot be had the interval does it.
    pub(super) fn watch_branch(&mut self) {
        if self.interval.is_none() {
            return;
        }
        let messages = self.messages.0.clone();
        let told = self.repo.watch_branch(move || drop(messages.send(Message::Moved)));
        match told {
            Ok(watch) => self.branch_watch = watch,
            Err(error) => tracing::warn!("{error}: main is read at every interval only"),
        }
    }

    /// Tells whoever looks that we live: the service manager at half of its watchdog's time, the files of the state folder
    /// at every interval (in a single pass every 5 s), also while main does not answer or a long job runs.
    pub(super) fn show_life(&mut self) {
        let now = self.clock.monotonic();
        if let Some(interval) = self.interval
            && self.beat_at <= now
        {
            self.tell();
            self.beat_at = now.saturating_add(interval);
        }
        if self.telling.at <= now {
            // One that watches tells what is here at its interval; a single pass may be long, and has none.
            if self.interval.is_none() {
                self.tell();
            } else {
                self.say_to_others();
            }
            self.telling.at = now.saturating_add(TOLD_EVERY);
        }
        self.show_status();
        self.settings.notifier.alive();
    }

    fn show_status(&self) {
        if let Some(tell) = &self.telling.progress {
            tell(&self.progress_line());
        }
        if self.settings.notifier.is_heard() {
            self.settings.notifier.status(&self.status_line());
        }
    }

    /// One line: how many have ended, run and wait.
    fn progress_line(&self) -> String {
        let running = self.queue.running().count();
        let counts = [
            (self.summary.ended.len(), "done"),
            (running, "running"),
            (self.queue.len() - running, "waiting"),
            (self.held.len(), "held"),
            (self.unpublished(), "not published yet"),
        ];
        let shown: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if shown.is_empty() { "reading main".to_owned() } else { shown.join(", ") }
    }

    /// One line: what runs, how many wait, the last publication, and what is in the way.
    fn status_line(&self) -> String {
        let running: Vec<_> = self.queue.running().collect();
        let mut parts = Vec::new();
        if self.stopping.is_some() {
            parts.push("stopping".to_owned());
        }
        match running.first() {
            None if self.stopping.is_none() => parts.push("idle".to_owned()),
            None => {}
            Some(id) if running.len() == 1 => parts.push(format!("running {}", self.name_of(*id))),
            Some(id) => parts.push(format!("running {} and {} more", self.name_of(*id), running.len() - 1)),
        }
        for (count, what) in [
            (self.queue.len() - running.len(), "waiting"),
            (self.held.len(), "held"),
            (self.unpublished(), "not published yet"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if self.is_paused() {
            parts.push("paused: nothing is started".to_owned());
        }
        parts.extend(self.pauses().iter().map(Pause::words));
        let last = jiff::Timestamp::from_second(self.last_push).ok().filter(|_| self.last_push > 0);
        parts.push(match last {
            Some(time) => format!("last published {}", utc_millis(time)),
            None => "nothing published yet".to_owned(),
        });
        let obstacle = self.obstacle().map(Obstacle::words);
        parts.extend(self.to_adopt().filter(|words| obstacle.as_ref() != Some(words)));
        parts.extend(obstacle);
        parts.join("; ")
    }

    /// Removes what nobody asks for any more, every hour of a dispatcher that watches.
    pub(super) fn clear_old_at_times(&mut self) {
        let now = self.clock.monotonic();
        if self.cleared_at.is_none_or(|cleared| now.saturating_sub(cleared) >= CLEAR_EVERY) {
            self.cleared_at = Some(now);
            self.clear_old();
        }
    }
}
