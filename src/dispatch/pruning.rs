//! Retention while there is nothing else to do: when a slice of it is due, and what is remembered of it.
//!
//! Only at rest, a commit at most each minute of an idle dispatcher and one a single pass; a sweep that came to its end is
//! begun again a day later. Whatever fails is tried again later and holds nothing up.

use std::time::Duration;

use super::Dispatcher;
use crate::publish::locked;
use crate::retention::{self, Author, Bounds, Progress, PruneError, Reach};

/// How far it has come, as [`Progress`] in JSON.
const META_RETENTION: &str = "retention";
const BOUNDS: Bounds = Bounds { folders_max: 5000, records_max: 500 };
/// Between two slices of a sweep, between two sweeps, and after a fault.
const SLICE_PAUSE: Duration = Duration::from_mins(1);
const SWEEP_EVERY: Duration = Duration::from_hours(24);
const FAULT_PAUSE: Duration = Duration::from_hours(1);
/// Everything is looked at this often, and otherwise the days that were not.
const WHOLE_EVERY: Duration = Duration::from_hours(24 * 30);

impl Dispatcher {
    /// Takes old output away from main, where the contract says so and it is time.
    pub(super) fn prune_at_times(&mut self) {
        if let Err(error) = self.prune_if_due() {
            tracing::warn!("retention: {error}");
        }
    }

    fn prune_if_due(&mut self) -> Result<(), PruneError> {
        let config = self.contract.as_ref().map(|contract| contract.config.clone());
        let Some((config, tip)) = config.zip(self.tip).filter(|_| self.may_prune()) else { return Ok(()) };
        let Some(span) = config.retention.output else { return Ok(()) };
        let now = self.clock.now();
        let kept = locked(&self.journal).meta(META_RETENTION).ok().flatten();
        let mut progress = Progress::parse(kept.as_deref());
        if !progress.is_due(now) {
            return Ok(());
        }
        let Some(age) = progress.age(span, now, WHOLE_EVERY) else { return Ok(()) };
        let identity = self.settings.identity.clone();
        let author = Author { identity: &identity, state: Some(self.state_id) };
        let from = progress.next.clone();
        let reach = Reach { age: &age, from: from.as_deref(), bounds: BOUNDS };
        let clock = std::sync::Arc::clone(&self.clock);
        let done = retention::prune(&mut self.repo, tip, &config, reach, author, &*clock);
        match &done {
            Ok(pruned) => {
                progress.advance(&age, pruned.next.clone(), now, SLICE_PAUSE, SWEEP_EVERY);
                if let Some(commit) = pruned.commit {
                    tracing::info!(
                        "retention: the output of {} record(s) left main in {:.10}",
                        pruned.aged.len(),
                        commit.to_string()
                    );
                    // Main has moved by our own hand.
                    self.look_at = Some(self.clock.monotonic());
                }
                if pruned.dirty > 0 {
                    tracing::info!("retention: {} record(s) are changed in the work tree and stay", pruned.dirty);
                }
            }
            Err(_) => progress.put_off(now, FAULT_PAUSE),
        }
        if let Err(error) = locked(&self.journal).set_meta(META_RETENTION, &progress.to_text()) {
            tracing::warn!("retention: {error}");
        }
        done.map(drop)
    }

    /// Nothing runs, nothing is on its way, and nothing is amiss.
    fn may_prune(&self) -> bool {
        let at_rest = self.running == 0 && self.unpublished() == 0 && self.following.is_over();
        let in_order = self.halt.is_none() && self.outvoted.is_none() && self.obstacle().is_none();
        at_rest && in_order && self.stopping.is_none() && !self.is_paused() && !self.repo.patience().is_over()
    }
}
