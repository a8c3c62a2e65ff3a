//! The story of a request, put together from what attempts and actions left in the spool.
//!
//! Owns the order of the events in `log.jsonl`, and which line of `handler.log` stands for which of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Story, action_folder_in};
use crate::outcome::ActionRun;
use crate::record::end::{Printed, Told};
use crate::record::log::{self, LogEvent, LogWriter};

/// Events of an attempt or action, as lines of a `log.jsonl`.
pub(super) const EVENTS: &str = "events.jsonl";

/// Events with the time of each.
type Timed = Vec<(Timestamp, LogEvent)>;

/// All of it.
pub(super) struct Whole {
    /// Every event.
    pub(super) events: Vec<Told>,
    /// The lines of `handler.log`.
    pub(super) lines: Vec<Printed>,
}

/// Puts it together.
pub(super) fn whole(spool: &Path, story: &Story, then: &[ActionRun]) -> Whole {
    let Story { attempts, .. } = *story;
    let mut whole = Whole { events: Vec::new(), lines: Vec::new() };
    whole.tell(&story.before);
    for attempt in 1..=attempts {
        let folder = spool.join(attempt.to_string());
        let last = attempt == attempts;
        whole.take(&folder, story.events.as_deref().filter(|_| last), &Timed::new(), last);
    }
    for (number, run) in (1..).zip(then) {
        let known = run.started_at.map(|started| {
            // Nobody saw its end, or it could not be started: this is all that is known.
            let begun = LogEvent::ActionStarted { action: run.name.clone() };
            vec![(started, begun), (started, LogEvent::action_ended(run))]
        });
        whole.take(&action_folder_in(spool, attempts, number), None, &known.unwrap_or_default(), true);
    }
    whole.tell(&story.after);
    whole
}

/// The text of a `log.jsonl`.
pub(super) fn numbered(events: &[Told]) -> io::Result<Vec<u8>> {
    let mut writer = LogWriter::new(Vec::new());
    for Told { ts, t_ms, event } in events {
        writer.push(*ts, *t_ms, event.clone())?;
    }
    Ok(writer.into_inner())
}

/// `handler.log` of an attempt or action.
pub(super) fn printed_in(folder: &Path) -> PathBuf {
    folder.join("handler.log")
}

impl Whole {
    fn tell(&mut self, events: &[(Timestamp, LogEvent)]) {
        self.events.extend(events.iter().map(|(ts, event)| Told { ts: *ts, t_ms: 0, event: event.clone() }));
    }

    /// The events that are given, else those that lie in a folder; without any `known`, and then the lines have none. Only what is `last` is in
    /// the `handler.log` of the record.
    fn take(&mut self, folder: &Path, given: Option<&[Told]>, known: &Timed, last: bool) {
        let first = self.events.len();
        if let Some(given) = given {
            self.events.extend_from_slice(given);
        } else {
            let text = fs::read(folder.join(EVENTS)).unwrap_or_default();
            self.events.extend(log::read(&text).map(|line| Told { ts: line.ts, t_ms: line.t, event: line.event }));
        }
        let seen = self.events.len() > first;
        if !seen {
            self.tell(known);
        }
        if !last {
            return;
        }
        let told = self.events.iter().enumerate().skip(first);
        self.lines.extend(told.filter_map(|(index, told)| Printed::of(&told.event, index)));
        if !seen {
            let text = fs::read(printed_in(folder)).unwrap_or_default();
            let lines = String::from_utf8_lossy(&text).split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
            self.lines.extend(lines.into_iter().map(|text| Printed { text, event: None }));
        }
    }
}
