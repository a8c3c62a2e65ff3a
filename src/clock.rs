//! Time: the one way by which the program asks what time it is, and the one way it writes a time down.
//!
//! Owns the seam between real and fixed time. Never sleeps and never decides anything: deadlines are
//! spans on the monotonic clock, and the wall clock is only ever written into records.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A source of time. Shared between threads.
pub trait Clock: Send + Sync {
    /// The wall clock, for records. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes backwards. Only differences mean something.
    fn monotonic(&self) -> Duration;

    /// Time since the machine was started, what it slept included: the same for every process until the next boot, and
    /// nobody sets it.
    fn since_boot(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Debug)]
pub struct System {
    started: Instant,
}

impl System {
    /// The monotonic clock counts from here.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn since_boot(&self) -> Duration {
        let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::try_from(up).unwrap_or_default()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct Fixed {
    hands: Mutex<(Timestamp, Duration)>,
}

impl Fixed {
    /// Stands at `now`; its monotonic time is zero.
    pub fn new(now: Timestamp) -> Self {
        Self { hands: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves both clocks forward. The wall clock stops at the last moment that can be written.
    pub fn advance(&self, span: Duration) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        hands.0 = hands.0.checked_add(span).unwrap_or(Timestamp::MAX);
        hands.1 = hands.1.saturating_add(span);
    }

    /// Sets the wall clock alone, as an administrator or a time service may do.
    pub fn jump(&self, now: Timestamp) {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn since_boot(&self) -> Duration {
        self.monotonic()
    }
}

/// A time as records write it: UTC, always three decimals, `2026-11-21T08:00:00.000Z`.
pub fn utc_millis(time: Timestamp) -> String {
    // Cut to the millisecond first: the same moment must give the same text and the same comparison.
    format!("{:.3}", whole_millis(time))
}

/// The time without what is finer than a millisecond.
pub fn whole_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// Whole milliseconds from one time to a later one; zero where the clock went backwards.
pub fn millis_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

/// For `#[serde(with = "crate::clock::millis")]`: [`utc_millis`] outward, RFC 3339 inward.
pub mod millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the time in UTC with milliseconds.
    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::utc_millis(*time))
    }

    /// Reads a time with an offset.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(from)
    }

    /// The same for a time that may be missing.
    pub mod option {
        use jiff::Timestamp;
        use serde::{Deserialize, Deserializer, Serializer};

        /// Writes the time in UTC with milliseconds, or null.
        pub fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, to),
                None => to.serialize_none(),
            }
        }

        /// Reads a time with an offset, or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
            Option::deserialize(from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn times_are_written_in_utc_with_three_decimals() {
        for (given, written) in [
            ("2026-11-21T08:00:00Z", "2026-11-21T08:00:00.000Z"),
            ("2026-11-21T08:00:00.9999Z", "2026-11-21T08:00:00.999Z"),
            ("2026-11-21T09:00:00.5+01:00", "2026-11-21T08:00:00.500Z"),
            ("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250Z"),
        ] {
            assert_eq!(utc_millis(at(given)), written);
        }
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Fixed::new(at("2026-11-21T08:00:00Z"));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_secs(90));
        assert_eq!(utc_millis(clock.now()), "2026-11-21T08:01:30.000Z");
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
        clock.jump(at("2020-01-01T00:00:00Z"));
        assert_eq!(clock.monotonic(), Duration::from_secs(90));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn spans_never_go_below_zero() {
        let (early, late) = (at("2026-11-21T08:00:00Z"), at("2026-11-21T08:00:01.5Z"));
        assert_eq!(millis_between(early, late), 1500);
        assert_eq!(millis_between(late, early), 0);
    }

    #[test]
    fn the_system_clock_does_not_go_backwards() {
        let clock = System::new();
        let (first, up) = (clock.monotonic(), clock.since_boot());
        assert!(clock.monotonic() >= first);
        assert!(!up.is_zero() && clock.since_boot() >= up);
    }
}
