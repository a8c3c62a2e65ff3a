//! What people have paused, for who asks why a request waits.

use std::collections::BTreeSet;

use super::{Line, View};
use crate::clock::{Clock, System};
use crate::dispatch::HeldBy;
use crate::pause::{self, Pause};

impl View {
    /// What people have paused here, and what was handed in of it and is not obeyed yet.
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// The pause that keeps a pending request from starting, as far as this clone can tell.
    pub fn pause_on(&self, line: &Line) -> Option<&Pause> {
        let held = self.held(line.id).filter(|held| line.path.as_ref() == Some(&held.path));
        match held {
            Some(held) if held.by != HeldBy::Pause => None,
            Some(held) => self.pauses.iter().find(|pause| pause.words() == held.words),
            None if line.state == "held" => self.pause_of(line.kind.as_deref()),
            None => None,
        }
    }

    /// The pause of everything or of a kind; what a request locks only the dispatcher knows.
    pub(super) fn pause_of(&self, kind: Option<&str>) -> Option<&Pause> {
        pause::holding(&self.pauses, kind.unwrap_or_default(), &BTreeSet::new(), System::new().now())
    }
}
