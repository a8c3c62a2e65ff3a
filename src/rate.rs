//! How many requests may start in a while, as `rate` in the host file says: a window that slides over the starts of the past.
//! Pure.
//!
//! What counts is the first start of a request; its further attempts are bounded by the kind's `retry`. Times are those since
//! the machine was started, so that a wall clock which is set changes nothing; starts before the last boot have an age by the
//! wall clock, which is the best there is; one that seems to lie ahead has none.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::SignedDuration;

use crate::host_file::Rate;
use crate::units::format_duration;

/// The line that means all kinds together.
pub const ALL: &str = "*";

/// What the lines of the host file allow, and what has started.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    /// A kind, or [`ALL`].
    kind: String,
    rate: Rate,
    /// The last starts, oldest first, at most as many as may be. One before the last boot is below zero.
    starts: VecDeque<SignedDuration>,
}

/// Why a request has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedUp {
    /// When the next may start, since the machine was started.
    pub due: Duration,
    /// The line of the host file: `deploy: 10/h`.
    pub line: String,
}

impl Rates {
    /// The lines of a host file. `known` gives the last starts of a line, at most so many: their ages, youngest first.
    ///
    /// # Errors
    /// What `known` says.
    pub fn new<E>(
        rate: &BTreeMap<String, Rate>,
        now: Duration,
        mut known: impl FnMut(&str, u32) -> Result<Vec<Duration>, E>,
    ) -> Result<Self, E> {
        let mut lines = Vec::new();
        for (kind, rate) in rate {
            let ages = known(kind, rate.count)?;
            let starts = ages.into_iter().rev().map(|age| signed(now).saturating_sub(signed(age))).collect();
            lines.push(Line { kind: kind.clone(), rate: *rate, starts });
        }
        Ok(Self { lines })
    }

    /// Whether the host file says nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A request of this kind starts.
    pub fn count(&mut self, kind: &str, now: Duration) {
        for line in self.lines.iter_mut().filter(|line| line.means(kind)) {
            line.starts.push_back(signed(now));
            if line.starts.len() > line.rate.count as usize {
                line.starts.pop_front();
            }
        }
    }

    /// Whether a request of this kind has to wait, and for which line the longest.
    pub fn used_up(&self, kind: &str, now: Duration) -> Option<UsedUp> {
        let lines = self.lines.iter().filter(|line| line.means(kind));
        let due = lines.filter_map(|line| Some((line.due(now)?, line)));
        due.max_by_key(|(due, _)| *due).map(|(due, line)| UsedUp { due, line: line.text() })
    }
}

impl Line {
    fn means(&self, kind: &str) -> bool {
        self.kind == ALL || self.kind == kind
    }

    /// When the next may start, where that is not now: a window is full as long as the oldest of so many is in it.
    fn due(&self, now: Duration) -> Option<Duration> {
        if self.starts.len() < self.rate.count as usize {
            return None;
        }
        let oldest = *self.starts.front()?;
        let due = Duration::try_from(oldest.saturating_add(signed(self.rate.per))).unwrap_or_default();
        (due > now).then_some(due)
    }

    fn text(&self) -> String {
        let Self { kind, rate, .. } = self;
        let per = format_duration(rate.per);
        let unit = ["1s", "1m", "1h", "1d"].iter().find(|unit| **unit == per).map_or(per.as_str(), |unit| &unit[1..]);
        let kind = if kind == ALL { "\"*\"" } else { kind };
        format!("{kind}: {}/{unit}", rate.count)
    }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }
    fn rates(lines: &[(&str, u32, u64)], ages: &[u64]) -> Rates {
        let line = |(kind, count, per): &(&str, u32, u64)| ((*kind).to_owned(), Rate { count: *count, per: at(*per) });
        let lines = lines.iter().map(line).collect();
        let known = |_: &str, most: u32| {
            Ok::<_, std::convert::Infallible>(ages.iter().take(most as usize).map(|age| at(*age)).collect())
        };
        Rates::new(&lines, at(1000), known).expect("infallible")
    }
    fn due(rates: &Rates, kind: &str, now: u64) -> Option<u64> {
        rates.used_up(kind, at(now)).map(|wait| wait.due.as_secs())
    }

    #[test]
    fn a_window_slides_with_each_start() {
        let mut rates = rates(&[("a", 2, 60)], &[]);
        for (second, before) in [(1000, None), (1010, None), (1020, Some(1060)), (1059, Some(1060)), (1060, None)] {
            assert_eq!(due(&rates, "a", second), before, "{second}");
            if second < 1020 {
                rates.count("a", at(second));
            }
        }
        rates.count("a", at(1060));
        assert_eq!(due(&rates, "a", 1061), Some(1070), "the one of 1010 is in it still");
        assert_eq!(due(&rates, "b", 1061), None);
    }

    #[test]
    fn the_line_for_all_counts_every_kind_and_the_longer_wait_counts() {
        let mut rates = rates(&[("*", 3, 10), ("a", 1, 60)], &[]);
        rates.count("a", at(1000));
        assert_eq!((due(&rates, "a", 1001), due(&rates, "b", 1001)), (Some(1060), None));
        rates.count("b", at(1001));
        rates.count("b", at(1002));
        assert_eq!((due(&rates, "a", 1003), due(&rates, "b", 1003)), (Some(1060), Some(1010)));
        let line = |kind: &str| rates.used_up(kind, at(1003)).expect("used up").line;
        assert_eq!((line("a").as_str(), line("b").as_str()), ("a: 1/m", "\"*\": 3/10s"));
    }

    #[test]
    fn what_started_before_this_process_counts_by_its_age() {
        // Two of them lie before the boot of the machine.
        let rates = rates(&[("a", 3, 3600)], &[10, 2000, 3000]);
        assert_eq!(due(&rates, "a", 1000), Some(1600));
        assert_eq!(due(&rates, "a", 1600), None);
        let few = self::rates(&[("a", 4, 3600)], &[10, 2000, 3000]);
        assert_eq!(due(&few, "a", 1000), None);
    }

    /// Whatever comes, no window of any line has more starts than it may.
    #[test]
    fn no_window_ever_has_more() {
        let mut seed = 7_u64;
        let mut dice = |sides: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 33) % sides
        };
        for _ in 0..50 {
            let (count, per) = (1 + u32::try_from(dice(5)).expect("small"), 5 + dice(40));
            let mut rates = rates(&[("*", count, per)], &[]);
            let (mut now, mut starts) = (1000, Vec::new());
            for _ in 0..300 {
                now += dice(4);
                match due(&rates, "a", now) {
                    None => {
                        rates.count("a", at(now));
                        starts.push(now);
                    }
                    Some(due) => assert!(due > now && due <= now + per),
                }
            }
            for (index, last) in starts.iter().enumerate() {
                let within = starts[..=index].iter().filter(|start| **start + per > *last).count();
                assert!(within <= count as usize, "{within} within {per}s: {starts:?}");
            }
            assert!(starts.len() > 10, "it holds for ever");
        }
    }
}
