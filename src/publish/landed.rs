//! Which records main has already: a record that is there is never written again.
//!
//! Our own commits are known by their names. A record of the same request from any other commit (main was written anew, the
//! state folder is an older copy, another host has settled it) is known by what it is: it stands in the place that ours would
//! take, with the admitted bytes in the archive, and the commit that brought it says so and took the request out of the inbox.

use super::{PublishError, Publisher, Round, locked};
use crate::archive;
use crate::contract;
use crate::event::Event;
use crate::planted::{self, Bug};
use crate::record::Record;
use crate::repo::{Made, Oid, Open};
use crate::spool::Parcel;
use crate::state::State;

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

    /// The commit that brought this `status.yml`, and the one before it, if it brought this request's record.
    fn commit_of_record(&self, tip: Oid, parcel: &Parcel, status: Open) -> Result<Option<(Oid, Oid)>, PublishError> {
        let found = self.repo.introduced(tip, &parcel.output, &parcel.archive, &[status])?;
        let Some(commit) = found.into_iter().flatten().next().map(|found| found.commit) else { return Ok(None) };
        let Some(Made { parent: Some(before), .. }) = self.repo.made(commit)? else { return Ok(None) };
        let config = contract::load_config(&self.repo, commit).map(|(config, _)| config).unwrap_or_default();
        let brought = archive::brought_by(&self.repo, commit, &config)?;
        let is_ours = |record: &Record| record.id == parcel.record.id && record.request_blob == parcel.blob;
        Ok(brought.iter().any(|(_, record, _)| is_ours(record)).then_some((before, commit)))
    }
}
