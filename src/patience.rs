//! How long a thread goes on waiting for another process: until its own deadline, or until somebody else says that it is
//! over; and whoever wants to know that the waiting thread still lives is told again and again.
//!
//! Owns nothing but that word. Never ends a process and never decides how long anything may take.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared between who waits and who may lose patience. Clones share one state.
#[derive(Clone, Default)]
pub struct Patience {
    end: Arc<Mutex<Option<Instant>>>,
    pulse: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Patience {
    /// Who waits looks this often whether it is over, and shows as often that it lives.
    pub const LOOK_EVERY: Duration = Duration::from_millis(200);

    /// Endless, and `pulse` is called for as long as somebody waits, by the thread that does.
    pub fn with_pulse(pulse: impl Fn() + Send + Sync + 'static) -> Self {
        Self { end: Arc::default(), pulse: Some(Arc::new(pulse)) }
    }

    /// The same end for another thread, which does not show that this one lives.
    #[must_use]
    pub fn silent(&self) -> Self {
        Self { end: Arc::clone(&self.end), pulse: None }
    }

    /// Nobody waits beyond this moment any more: for good, and only ever brought nearer.
    pub fn end_by(&self, moment: Instant) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        *end = Some(end.map_or(moment, |end| end.min(moment)));
    }

    /// Nobody waits any more, now or later.
    pub fn end(&self) {
        self.end_by(Instant::now());
    }

    /// When it is over, where somebody said so.
    pub fn until(&self) -> Option<Instant> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.until().is_some_and(|end| end <= Instant::now())
    }

    /// Shows that the calling thread lives.
    pub fn pulse(&self) {
        if let Some(pulse) = &self.pulse {
            pulse();
        }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("until", &self.until()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_comes_nearer_and_never_goes_away() {
        let (patience, other) = (Patience::default(), Patience::default());
        let shared = patience.clone();
        assert_eq!(patience.until(), None);
        let now = Instant::now();
        let (soon, late) = (now + Duration::from_mins(1), now + Duration::from_hours(1));
        shared.end_by(soon);
        shared.end_by(late);
        assert_eq!(patience.until(), Some(soon));
        assert!(!patience.is_over());
        shared.end();
        assert!(patience.is_over() && !other.is_over());
    }
}
