//! The index of the archive, brought up while nothing else is to be done: a little at a time, so that whatever comes in is
//! taken up at once. Only `watch` has such time; who asks for an old record before that has it brought up then.

use std::time::Duration;

use super::Dispatcher;
use crate::archive::{self, Index, IndexError, Turn, Walk};
use crate::repo::Oid;

/// It need not be newer: what ended lately stands in the journal.
const EVERY: Duration = Duration::from_mins(10);
/// So many names are looked at between two looks for messages.
const NAMES: usize = 200;

/// How far it is.
#[derive(Default)]
pub(super) struct Indexing {
    under_way: Option<(Index, Walk)>,
    /// The tip that was gone to last, and when that was over, whatever came of it.
    last: Option<(Oid, Duration)>,
}

impl Indexing {
    /// Somebody has something to do: what has been read stays read, and others may go on with it.
    pub(super) fn leave(&mut self) {
        self.under_way = None;
    }
}

impl Dispatcher {
    /// Brings the index up by a little; false where there is nothing more to do for it now.
    pub(super) fn index_a_little(&mut self) -> bool {
        let (Some(tip), Some(contract)) = (self.tip, self.contract.clone()) else { return false };
        if self.interval.is_none() || self.stopping.is_some() || self.publishing > 0 || self.halt.is_some() {
            return false;
        }
        let now = self.clock.monotonic();
        let is_due = |last: (Oid, Duration)| last.0 != tip && now.saturating_sub(last.1) >= EVERY;
        if self.indexing.under_way.is_none() && !self.indexing.last.is_none_or(is_due) {
            return false;
        }
        let gone_on = match self.indexing.under_way.take() {
            Some(under_way) => Ok(Some(under_way)),
            None => self.begin_index(tip),
        };
        let gone_on = gone_on.and_then(|under_way| {
            let Some((mut index, mut walk)) = under_way else { return Ok(None) };
            let is_over = walk.go_on(&mut index, &self.repo, &contract.config, NAMES)?;
            Ok((!is_over).then_some((index, walk)))
        });
        match gone_on {
            Ok(Some(under_way)) => {
                self.indexing.under_way = Some(under_way);
                return true;
            }
            Ok(None) => {}
            // Whoever needs it says so then, and asks main itself.
            Err(error) => tracing::debug!("{error}"),
        }
        self.indexing.last = Some((tip, now));
        false
    }

    fn begin_index(&self, tip: Oid) -> Result<Option<(Index, Walk)>, IndexError> {
        let Some(contract) = &self.contract else { return Ok(None) };
        if !archive::is_large(&self.repo, tip, &contract.config)? {
            return Ok(None);
        }
        let index = Index::open(self.state.root())?;
        let turn = Turn::wait(self.state.root(), Duration::ZERO)?;
        Ok(turn.map(|turn| (index, Index::walk_to(turn, tip))))
    }
}
