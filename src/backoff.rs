//! Pauses between tries: `for pause in Backoff::new(policy, random)`.
//!
//! Owns the arithmetic: doubling, a ceiling, full jitter. Never sleeps, never reads a clock, and never
//! decides what is worth another try; randomness is handed in.

use std::time::Duration;

/// How long to wait between tries, and how many tries there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Ceiling of the first pause. Each further ceiling is twice the one before.
    pub first: Duration,
    /// No pause is longer than this.
    pub max: Duration,
    /// Tries in all, the first one included: there is one pause fewer. `u32::MAX` = practically no end.
    pub attempts: u32,
}

impl Policy {
    /// Longest pause after `tries` tries have failed (from 1): `first`, doubled for every further one, at most `max`.
    pub fn ceiling(&self, tries: u32) -> Duration {
        let doublings = tries.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }

    /// The pause after `tries` tries have failed, or `None` where no further try is allowed. For callers
    /// that count in a journal instead of a loop.
    pub fn pause_after(&self, tries: u32, random: impl FnOnce() -> f64) -> Option<Duration> {
        (tries < self.attempts).then(|| jittered(self.ceiling(tries), random()))
    }
}

/// The pauses of one policy, in order. Ends when the tries are used up.
#[derive(Debug)]
pub struct Backoff<R> {
    policy: Policy,
    random: R,
    tries: u32,
}

impl<R: FnMut() -> f64> Backoff<R> {
    /// `random` gives numbers from 0 (inclusive) to 1 (exclusive).
    pub fn new(policy: Policy, random: R) -> Self {
        Self { policy, random, tries: 0 }
    }
}

impl<R: FnMut() -> f64> Iterator for Backoff<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        self.policy.pause_after(self.tries, &mut self.random)
    }
}

/// Full jitter: anything from nothing to the ceiling, so that many losers of one race spread out.
fn jittered(ceiling: Duration, random: f64) -> Duration {
    // A source that breaks its promise must not bring a panic or a longer pause.
    let share = if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 };
    ceiling.mul_f64(share).min(ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { first: Duration::from_secs(1), max: Duration::from_secs(5), attempts: 6 };

    #[test]
    fn ceilings_double_up_to_the_greatest() {
        let pauses: Vec<u64> = Backoff::new(POLICY, || 1.0).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn jitter_spreads_over_the_whole_span() {
        let mut source = [0.0, 0.5, 0.25, 0.999].into_iter().cycle();
        let pauses: Vec<u128> =
            Backoff::new(POLICY, move || source.next().expect("endless")).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [0, 1000, 1000, 4995, 0]);
    }

    #[test]
    fn one_attempt_or_none_has_no_pause() {
        for attempts in [0, 1] {
            let policy = Policy { attempts, ..POLICY };
            assert_eq!(Backoff::new(policy, || 0.5).count(), 0);
            assert_eq!(policy.pause_after(1, || 0.5), None);
        }
    }

    #[test]
    fn no_number_and_no_source_breaks_it() {
        let endless = Policy { attempts: u32::MAX, first: Duration::MAX, max: Duration::MAX };
        for tries in [0, 1, 31, 32, 33, 1000, u32::MAX - 1] {
            for random in [f64::NAN, f64::INFINITY, -3.0, 0.0, 0.7, 2.0] {
                let pause = POLICY.pause_after(tries, || random);
                assert!(pause.is_none_or(|pause| pause <= POLICY.max));
            }
            assert_eq!(endless.ceiling(tries), Duration::MAX);
        }
        assert_eq!(Backoff::new(POLICY, || f64::NAN).count(), 5);
    }

    #[test]
    fn the_journal_and_the_loop_agree() {
        let looped: Vec<Duration> = Backoff::new(POLICY, || 0.3).collect();
        let counted: Vec<Duration> = (1..).map_while(|tries| POLICY.pause_after(tries, || 0.3)).collect();
        assert_eq!(looped, counted);
    }
}
