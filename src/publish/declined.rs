//! What becomes of records that the server declines.
//!
//! ```text
//! declined together       pushed one a commit
//! one goes through        what is declined behind that is published reduced: its content is the reason
//! none does               all stay whole, and one speaks for them in the next rounds of the pass
//! a last word is wanted   it is tried reduced, when it has been declined once more
//!   and goes through      the others are tried whole again, and reduced where that is declined
//!   and is declined       nothing of ours is taken: `Closed`, and all of them stay whole in the spool
//! ```
//! A no says nothing of the record as long as the server may be declining everything, so no record loses its output on main
//! to a hook that is broken for a while. One that is declined in any form while others go through stays in the spool, is tried
//! again alone, one such record a round, and keeps nobody waiting.

use super::{No, Obstacle, PublishError, Publisher, Pushed, Round};
use crate::spool::{self, Parcel};

/// A record that was declined in a commit of its own.
pub(super) struct Declined {
    parcel: Parcel,
    no: No,
    /// The server had taken another one in this round before.
    behind_one_that_went: bool,
}

impl Publisher {
    /// What was declined together, one record a commit. A single one has been just that.
    pub(super) fn push_singly(
        &mut self,
        round: &mut Round,
        parcels: Vec<Parcel>,
        no: &No,
        suffix: &str,
    ) -> Result<Vec<Declined>, PublishError> {
        let mut declined = Vec::new();
        if let [_] = &parcels[..] {
            for parcel in parcels {
                declined.push(self.note_declined(round, parcel, no.clone())?);
            }
            return Ok(declined);
        }
        for parcel in parcels {
            declined.extend(self.push_whole(round, parcel, suffix)?);
        }
        Ok(declined)
    }

    /// Finds out whether it is the records or the server, and publishes what can be. `before` was declined in earlier rounds.
    pub(super) fn settle_declined(
        &mut self,
        round: &mut Round,
        mut declined: Vec<Declined>,
        before: Vec<Parcel>,
        last_word: bool,
        suffix: &str,
    ) -> Result<(), PublishError> {
        let mut untried = Vec::new();
        for parcel in before {
            // As long as none goes through, one of those that were declined before speaks for all of them.
            let asked =
                declined.iter().any(|other| other.parcel.declined > 1 && (!round.taken || other.parcel.refused));
            if asked && (!round.taken || parcel.refused) {
                untried.push(parcel);
            } else {
                declined.extend(self.push_whole(round, parcel, suffix)?);
            }
        }
        if !round.taken
            && round.obstacle.is_none()
            && let Some(index) = to_be_tried_reduced(&declined, last_word)
        {
            let Declined { parcel, no, .. } = declined.remove(index);
            self.push_reduced(round, parcel, &no, suffix)?;
        }
        if round.taken {
            let (refused, rest): (Vec<Parcel>, Vec<Parcel>) = untried.into_iter().partition(|parcel| parcel.refused);
            for parcel in rest {
                declined.extend(self.push_whole(round, parcel, suffix)?);
            }
            untried = refused;
        }
        for Declined { parcel, no, behind_one_that_went } in declined {
            if !round.taken || round.obstacle.as_ref().is_some_and(|obstacle| !is_declined(obstacle)) {
                round.obstacle.get_or_insert(Obstacle::Declined(no.words));
                round.left.push(parcel);
            } else if behind_one_that_went || no.by_size {
                self.push_reduced(round, parcel, &no, suffix)?;
            } else if let Some(Declined { parcel, no, .. }) = self.push_whole(round, parcel, suffix)? {
                self.push_reduced(round, parcel, &no, suffix)?;
            }
        }
        // Last, so that another one speaks for them in the next round.
        round.left.extend(untried);
        Ok(())
    }

    /// Pushes one record whole; what comes back was declined. Where the round has been stopped it only stays.
    fn push_whole(
        &mut self,
        round: &mut Round,
        parcel: Parcel,
        suffix: &str,
    ) -> Result<Option<Declined>, PublishError> {
        if round.obstacle.as_ref().is_some_and(|obstacle| !is_declined(obstacle)) {
            round.left.push(parcel);
            return Ok(None);
        }
        match self.push_together(round, vec![parcel], suffix)? {
            Pushed::All => Ok(None),
            Pushed::Declined(mut parcels, no) => {
                let parcel = parcels.pop().expect("what was declined is one record");
                Ok(Some(self.note_declined(round, parcel, no)?))
            }
            Pushed::Stopped(parcels, obstacle) => {
                round.left.extend(parcels);
                round.obstacle = Some(obstacle);
                Ok(None)
            }
        }
    }

    fn note_declined(&self, round: &Round, mut parcel: Parcel, no: No) -> Result<Declined, PublishError> {
        parcel.declined = parcel.declined.saturating_add(1);
        spool::save(&self.state, &parcel)?;
        Ok(Declined { parcel, no, behind_one_that_went: round.taken })
    }

    /// Pushes the status alone, first with the server's words and then without anything that the handler wrote. The spool
    /// has the whole record until main has the reduced one.
    fn push_reduced(
        &mut self,
        round: &mut Round,
        mut whole: Parcel,
        no: &No,
        suffix: &str,
    ) -> Result<(), PublishError> {
        let (id, others_go) = (whole.record.id, round.taken);
        for reduced in [whole.reduced_for(&no.words), whole.bare()] {
            match self.push_together(round, vec![reduced.clone()], suffix)? {
                Pushed::All => {
                    tracing::warn!("the remote declines the record of {id} and takes its status alone ({})", no.words);
                    let landed = round.published.iter().rfind(|parcel| parcel.record.id == id).unwrap_or(&reduced);
                    return Ok(spool::note_reduced(&self.state, landed)?);
                }
                Pushed::Declined(..) => {}
                Pushed::Stopped(_, obstacle) => {
                    round.left.push(whole);
                    round.obstacle = Some(obstacle);
                    return Ok(());
                }
            }
        }
        if others_go && !whole.refused {
            tracing::error!("the remote declines the record of {id} in any form: it stays in the spool ({})", no.words);
            whole.refused = true;
            spool::save(&self.state, &whole)?;
        }
        let words = no.words.clone();
        round.obstacle = Some(if whole.refused { Obstacle::Declined(words) } else { Obstacle::Closed(words) });
        round.left.push(whole);
        Ok(())
    }
}

/// Which of them is tried without its output although none has gone through: one that is too large, whatever is said of
/// others; with a last word one of which only it is open whether it is the record or the server; a refused one any time.
fn to_be_tried_reduced(declined: &[Declined], last_word: bool) -> Option<usize> {
    let position = |fits: &dyn Fn(&Declined) -> bool| declined.iter().position(fits);
    position(&|declined| declined.no.by_size)
        .or_else(|| position(&|declined| last_word && !declined.parcel.refused))
        .or_else(|| position(&|declined| declined.parcel.refused))
}

fn is_declined(obstacle: &Obstacle) -> bool {
    matches!(obstacle, Obstacle::Declined(_) | Obstacle::Closed(_))
}
