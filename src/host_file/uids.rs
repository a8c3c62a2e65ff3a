//! Who is who in the range `uids`, as root: slots have its bottom, one each; a kind that keeps something on the host has one of its top,
//! given once and for good, because its files must not change hands from run to run.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

/// A range of uids, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uids {
    /// The first one.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

/// Why the range has no uid for somebody; its words say what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUid {
    /// More slots than uids.
    #[error(
        "`jobs: {jobs}` needs a uid for each, and `uids: {uids}` has {}: write `uids: {}`, or `jobs: {}` or less",
        uids.count(), uids.widened_to(*jobs), uids.count()
    )]
    Slots {
        /// The range.
        uids: Uids,
        /// How many slots there are to be.
        jobs: u32,
    },
    /// Slots and other kinds have them all.
    #[error(
        "no uid is left for the kind `{kind}`, which keeps something on this host: slots have {jobs} of `uids: {uids}` and kinds {kinds}; \
         widen `uids`, to {} for instance",
        uids.widened_to(*jobs + *kinds + 1)
    )]
    Kind {
        /// The range.
        uids: Uids,
        /// How many slots there are.
        jobs: u32,
        /// How many kinds have one.
        kinds: u32,
        /// Who would need one.
        kind: String,
    },
    /// A kind's uid lies where the slots are by now.
    #[error(
        "the kind `{kind}` runs as uid {uid}, and with `jobs: {jobs}` that is a slot's: lower `jobs` to {}, or begin `uids` above {uid}",
        uid - uids.first
    )]
    Shared {
        /// The range.
        uids: Uids,
        /// How many slots there are.
        jobs: u32,
        /// The uid that both would have.
        uid: u32,
        /// Whose it has been.
        kind: String,
    },
}

impl Uids {
    /// How many there are.
    pub const fn count(self) -> u32 {
        self.last - self.first + 1
    }

    /// The uid of a slot, counted from 0.
    pub fn of_slot(self, index: u32) -> Option<u32> {
        self.first.checked_add(index).filter(|uid| *uid <= self.last)
    }

    /// The uids of so many slots.
    ///
    /// # Errors
    /// [`NoUid::Slots`] where there are fewer.
    pub fn of_slots(self, jobs: u32) -> Result<RangeInclusive<u32>, NoUid> {
        match self.of_slot(jobs.saturating_sub(1)) {
            Some(last) => Ok(self.first..=last),
            None => Err(NoUid::Slots { uids: self, jobs }),
        }
    }

    /// The uid of a kind that keeps something: the one that it has among `known`, or the highest that nobody has.
    ///
    /// # Errors
    /// [`NoUid`] where none is left above those of `jobs` slots, or the known one is a slot's.
    pub fn of_kind(self, kind: &str, jobs: u32, known: &BTreeMap<String, u32>) -> Result<u32, NoUid> {
        let slots = self.first..self.first.saturating_add(jobs);
        match known.get(kind) {
            Some(uid) if slots.contains(uid) => {
                Err(NoUid::Shared { uids: self, jobs, uid: *uid, kind: kind.to_owned() })
            }
            Some(uid) => Ok(*uid),
            None => {
                (slots.end..=self.last).rev().find(|uid| !known.values().any(|known| known == uid)).ok_or_else(|| {
                    let kinds = u32::try_from(known.len()).unwrap_or(u32::MAX / 2);
                    NoUid::Kind { uids: self, jobs, kinds, kind: kind.to_owned() }
                })
            }
        }
    }

    /// The range with the same beginning that holds so many.
    fn widened_to(self, count: u32) -> Self {
        Self { first: self.first, last: self.first.saturating_add(count.max(1) - 1) }
    }
}

impl fmt::Display for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UIDS: Uids = Uids { first: 100, last: 104 };

    fn known(kinds: &[(&str, u32)]) -> BTreeMap<String, u32> {
        kinds.iter().map(|(kind, uid)| ((*kind).to_owned(), *uid)).collect()
    }

    #[test]
    fn slots_have_the_bottom() {
        assert_eq!(UIDS.of_slots(2), Ok(100..=101));
        assert_eq!(UIDS.of_slots(5), Ok(100..=104));
        assert_eq!((UIDS.of_slot(4), UIDS.of_slot(5)), (Some(104), None));
        let words = UIDS.of_slots(6).unwrap_err().to_string();
        assert_eq!(
            words,
            "`jobs: 6` needs a uid for each, and `uids: 100-104` has 5: write `uids: 100-105`, or `jobs: 5` or less"
        );
    }

    #[test]
    fn kinds_have_the_top_each_its_own_and_keep_it() {
        assert_eq!(UIDS.of_kind("a", 2, &known(&[])), Ok(104));
        assert_eq!(UIDS.of_kind("b", 2, &known(&[("a", 104)])), Ok(103));
        assert_eq!(UIDS.of_kind("a", 2, &known(&[("a", 103), ("b", 104)])), Ok(103));
        // A range that was widened above its first kinds is used, and a gap is filled.
        assert_eq!(UIDS.of_kind("c", 2, &known(&[("a", 102), ("b", 104)])), Ok(103));
        // One from a range that is the owner's no more stays: its files are there.
        assert_eq!(UIDS.of_kind("a", 2, &known(&[("a", 99)])), Ok(99));
    }

    #[test]
    fn no_kind_gets_a_slots_uid() {
        let three = known(&[("a", 104), ("b", 103), ("c", 102)]);
        let words = UIDS.of_kind("d", 2, &three).unwrap_err().to_string();
        assert!(words.contains("kind `d`") && words.ends_with("widen `uids`, to 100-105 for instance"), "{words}");
        assert!(UIDS.of_kind("d", 99, &known(&[])).is_err());
        let words = UIDS.of_kind("c", 3, &three).unwrap_err().to_string();
        assert!(words.contains("runs as uid 102") && words.contains("lower `jobs` to 2"), "{words}");
    }
}
