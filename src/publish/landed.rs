//! Which records main has already: a record that is there is never written again.
//!
//! Our own commits are known by their names. A record of the same request from any other commit (main was written anew, the
//! state folder is an older copy, another host has settled it) is known by what it is: it stands in the place that ours would
//! take, with the admitted bytes in the archive, and the commit that brought it says so and took the request out of the inbox.

use super::{PublishError, Publisher, Round, locked};
use crate::event::Event;
use crate::planted::{self, Bug};
use crate::record::{Record, commit};
use crate::repo::{Made, Oid, Open, RepoError};
use crate::spool::Parcel;
use crate::state::State;

/// The longest `status.yml` that is looked into.
const STATUS_BYTES_MAX: u64 = 4 << 20;

impl Publisher {
    /// Takes out what an earlier push, whose answer was lost, has brought to main after all.
    pub(super) fn drop_landed(&mut self, round: &mut Round, parcels: &mut Vec<Parcel>) -> Result<(), PublishError> {
        let mut landed = Vec::new();
        for parcel in std::mem::take(parcels) {
            let row = locked(&self.journal).get(parcel.record.id)?;
            let commits = match row.map(|row| row.state) {
                Some(State::Built { commits, .. }) => commits,
                _ => Vec::new(),
            };
            let mut there = false;
            for commit in commits {
                there = there || self.repo.is_ancestor(commit.parse()?, round.tip)?;
            }
            if !there && let Some((base, commit)) = self.recorded_already(round.tip, &parcel)? {
                tracing::warn!(
                    "main has the record of {} already, in {commit}: it is not written again",
                    parcel.record.id
                );
                let event = Event::Built { base: base.to_string(), commit: commit.to_string() };
                self.append(std::slice::from_ref(&parcel), &event, &[])?;
                there = true;
            }
            if there && !planted::is(Bug::RecordedTwice) { landed.push(parcel) } else { parcels.push(parcel) }
        }
        if landed.is_empty() {
            return Ok(());
        }
        let tip = round.tip;
        self.settle(round, landed, tip)
    }

    /// A record of this very request that main has from a commit that we do not know, as where the state folder came back
    /// from a backup or main was written anew: the commit in which the request left the inbox, and the one before it.
    fn recorded_already(&self, tip: Oid, parcel: &Parcel) -> Result<Option<(Oid, Oid)>, PublishError> {
        let blob: Oid = parcel.blob.parse()?;
        let mut place = parcel.place.clone();
        for number in 2.. {
            let status = format!("{}/{place}/status.yml", parcel.output);
            if !self.repo.exists(tip, format!("{}/{place}", parcel.output))? {
                return Ok(None);
            }
            let archived = format!("{}/{place}{}", parcel.archive, parcel.extension);
            let archived = self.repo.entry_at(tip, &archived)?.is_some_and(|entry| entry.oid == blob);
            if let Some(entry) = self.repo.entry_at(tip, &status)?.filter(|_| archived)
                && let Some(found) =
                    self.commit_of_record(tip, parcel, Open { path: status.into_bytes(), oid: entry.oid })?
            {
                return Ok(Some(found));
            }
            place = format!("{}-{number}", parcel.place);
        }
        Ok(None)
    }

    /// The commit that brought this `status.yml`, if it records this request and took it out of the inbox.
    fn commit_of_record(&self, tip: Oid, parcel: &Parcel, status: Open) -> Result<Option<(Oid, Oid)>, PublishError> {
        let text = self.repo.blob(status.oid, STATUS_BYTES_MAX)?.1.unwrap_or_default();
        if !Record::from_yaml("status.yml", &text).is_ok_and(|record| record.id == parcel.record.id) {
            return Ok(None);
        }
        let blob: Oid = parcel.blob.parse()?;
        let found = self.repo.introduced(tip, &parcel.output, &parcel.archive, &[status])?;
        let Some(commit) = found.into_iter().flatten().next().map(|found| found.commit) else { return Ok(None) };
        let Some(Made { parent: Some(before), message, .. }) = self.repo.made(commit)? else { return Ok(None) };
        let stood =
            |at| Ok::<_, RepoError>(self.repo.entry_at(at, &parcel.path)?.is_some_and(|entry| entry.oid == blob));
        let id = parcel.record.id.to_string();
        let recorded = commit::trailers(&message, commit::TRAILER_ID).any(|value| value == id);
        Ok((recorded && stood(before)? && !stood(commit)?).then_some((before, commit)))
    }
}
