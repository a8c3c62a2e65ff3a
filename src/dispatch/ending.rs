//! Coming to an end: because somebody said so, or because a thread beside the conductor broke.
//!
//! Owns the order of it (take no more, wait `drain`, end what runs, publish what there is) and how long each may take, so
//! that the whole has an end whatever handlers, remotes and disks do. What is not published by then stays in the journal
//! and the spool, and the next dispatcher publishes it.

use std::time::{Duration, Instant};

use super::crew::{Broken, Who, last_words};
use super::deliver::Following;
use super::{DispatchError, Dispatcher};
use crate::row::GRACE_MAX;
use crate::units::format_duration;

/// How long records may take to main once nothing runs any more.
const LAST_PUBLICATION: Duration = Duration::from_secs(30);
/// The same where somebody said a second time that it shall end.
const HURRIED_PUBLICATION: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// Told to stop: the first time what runs may go on for `drain`, the second time it is told to end, the third time it is ended.
    pub(super) fn stop(&mut self) {
        self.stops += 1;
        let now = self.clock.monotonic();
        match self.stops {
            1 => {
                let drain = self.host.file.drain;
                self.settings.notifier.stopping(drain + GRACE_MAX + LAST_PUBLICATION);
                let (span, running) = (format_duration(drain), self.running);
                tracing::info!("told to stop: waiting at most {span} for {running} running");
                self.stopping = Some(now.saturating_add(drain));
                self.tell();
            }
            2 => {
                tracing::info!("told to stop a second time: ending what runs");
                self.cut_off();
                // A push that hangs is often why somebody asks again.
                self.publish_no_longer_than(HURRIED_PUBLICATION);
            }
            _ => {
                tracing::info!("told to stop once more: killing what runs");
                self.control.kill();
                self.publish_no_longer_than(Duration::ZERO);
            }
        }
    }

    /// Ends what outlasts the drain, and begins the last publication when nothing runs any more.
    pub(super) fn mind_the_end(&mut self) {
        let Some(end) = self.stopping else { return };
        if end <= self.clock.monotonic() && !self.cut_off {
            if self.running > 0 {
                tracing::warn!("ending {} that did not end by itself", self.running);
            }
            self.cut_off();
        }
        if self.running == 0 && self.recording.is_empty() && !self.may_act() && self.publish_until.is_none() {
            self.publish_no_longer_than(LAST_PUBLICATION);
        }
    }

    /// A thread beside us panicked: what runs is ended, what came out is kept, and then so do we end.
    pub(super) fn take_broken(&mut self, broken: Broken) {
        let who = match broken.who {
            Who::Worker(number) => {
                // What it ran stays started in the journal, and the next dispatcher judges it by that.
                self.running -= 1;
                format!("worker {number}")
            }
            Who::Recorder => {
                self.recording.forget();
                "the recorder".to_owned()
            }
            Who::Publisher => {
                self.publishing = 0;
                self.following = Following::default();
                "the publisher".to_owned()
            }
        };
        tracing::error!("{who} broke down ({}): ending what runs", broken.words);
        self.broken.get_or_insert(DispatchError::Broken { who, words: broken.words });
        self.stopping.get_or_insert_with(|| self.clock.monotonic());
        self.cut_off = true;
        self.control.kill();
        self.publish_no_longer_than(Duration::ZERO);
    }

    /// Whether anything may still be handed to the publisher.
    pub(super) fn may_publish(&self) -> bool {
        self.publish_until.is_none_or(|until| self.clock.monotonic() < until)
    }

    /// What was running is told to end, and nothing is started any more, not even actions.
    fn cut_off(&mut self) {
        self.cut_off = true;
        self.control.stop();
    }

    fn publish_no_longer_than(&mut self, span: Duration) {
        let until = self.clock.monotonic().saturating_add(span);
        self.publish_until = Some(self.publish_until.map_or(until, |known| known.min(until)));
        if let Some(moment) = Instant::now().checked_add(span) {
            self.push_patience.end_by(moment);
        }
    }
}

/// The same for the conductor itself.
pub(super) fn conductor_broke(panic: &(dyn std::any::Any + Send)) -> DispatchError {
    DispatchError::Broken { who: "the conductor".to_owned(), words: last_words(panic) }
}
