//! What others have recorded, other hosts or this one before its state folder was lost or set back: those requests end in this
//! journal too, so that an id is taken and an idempotency key is answered whoever ran the request that had it.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::super::intake::{Met, spec_digest};
use super::super::{DispatchError, Dispatcher};
use crate::admit::Verdict;
use crate::archive::{self, Index};
use crate::claim;
use crate::clock::utc_millis;
use crate::command::Resolution;
use crate::contract::{self, Contract};
use crate::event::Event;
use crate::id::RequestId;
use crate::journal::{Admitted, Entry as Step, Row};
use crate::publish::locked;
use crate::record::Record;
use crate::record::commit::{records_of, state_of};
use crate::repo::Oid;
use crate::request;
use crate::yaml::Limits;

/// Journal key: the tip down to which the records of others are known.
const META_LEARNT: &str = "learnt";
/// Journal key: what was recorded before that is known to the archive alone.
const META_ARCHIVE: &str = "learnt_not_before";
/// A journal that knows none looks this many commits back.
const COMMITS_MAX: usize = 1000;
/// And one that knows some so many: past any outage, and not without end.
const GAP_MAX: usize = 100_000;

impl Dispatcher {
    /// Takes over what others have recorded since the last look.
    pub(in crate::dispatch) fn learn_of_others(&mut self, tip: Oid) -> Result<(), DispatchError> {
        let learnt: Option<Oid> = locked(&self.journal).meta(META_LEARNT)?.and_then(|text| text.parse().ok());
        if learnt == Some(tip) {
            return Ok(());
        }
        let mut told = Vec::new();
        let known = learnt.map(|learnt| self.repo.is_ancestor(learnt, tip)).transpose()?.unwrap_or(false);
        let mut walked = 0;
        self.repo.walk_messages(tip, if known { GAP_MAX } else { COMMITS_MAX }, |commit, message| {
            walked += 1;
            let ids = records_of(message);
            if learnt != Some(commit) && !ids.is_empty() && state_of(message).is_some() {
                told.push((commit, ids));
            }
            learnt != Some(commit)
        })?;
        if self.claims_remotely() {
            // `git pull` into local work, pushed, makes what was main until then a second parent. Behind one a record counts
            // only where it is of a host that claims here: another branch may have a dispatcher of its own.
            let nodes: Vec<Uuid> = self.states_of_nodes();
            let since = learnt.filter(|_| known);
            let most = if known { GAP_MAX } else { COMMITS_MAX };
            let line: HashSet<Oid> = told.iter().map(|(commit, _)| *commit).collect();
            self.repo.walk_all_messages(tip, since, most, |commit, message| {
                let ids = records_of(message);
                let ours = state_of(message).is_some_and(|state| nodes.contains(&state));
                if ours && !ids.is_empty() && !line.contains(&commit) {
                    told.push((commit, ids));
                }
            })?;
        }
        // In the order of main: of two requests with one key the older one was first.
        for (commit, ids) in told.into_iter().rev() {
            let mut fresh = false;
            for (id, _) in ids {
                // Our own are known, and most commits are ours.
                let row = locked(&self.journal).get(id)?;
                fresh = fresh || row.is_none_or(|row| row.state.outcome().is_none());
            }
            if !fresh {
                continue;
            }
            let config = contract::load_config(&self.repo, commit).map(|(config, _)| config).unwrap_or_default();
            for (folder, record, archived) in archive::brought_by(&self.repo, commit, &config)? {
                let place = folder.strip_prefix(&config.output).unwrap_or(&folder).trim_start_matches('/');
                self.learn(commit, &config.inbox, place, &record, &archived)?;
            }
        }
        let mut journal = locked(&self.journal);
        if !known && walked == COMMITS_MAX && journal.meta(META_ARCHIVE)?.is_none() {
            journal.set_meta(META_ARCHIVE, &tip.to_string())?;
        }
        Ok(journal.set_meta(META_LEARNT, &tip.to_string())?)
    }

    /// Takes over what the archive has of the ids and keys of these requests, where this journal was begun, or set back, beside
    /// a longer history than it has looked through. By the index alone, which was whole at some time since then: nothing is
    /// read for it but the records that it names.
    pub(in crate::dispatch) fn learn_from_archive(
        &mut self,
        met: &[Met],
        tip: Oid,
        contract: &Contract,
    ) -> Result<(), DispatchError> {
        if locked(&self.journal).meta(META_ARCHIVE)?.is_none() {
            return Ok(());
        }
        let Some(index) = Index::open_to_read(self.state.root()) else { return Ok(()) };
        if index.tip().ok().flatten().is_none() {
            return Ok(());
        }
        let mut places = BTreeSet::new();
        for met in met {
            let explicit = request::hints(&met.entry.shown, &met.bytes).1.map(RequestId::explicit);
            if let Some(id) = explicit.filter(|id| *id == met.id)
                && locked(&self.journal).get(id)?.is_none()
            {
                places.extend(index.by_id(id).unwrap_or_default());
            }
            if let Verdict::Ready(admitted) = &met.verdict
                && let Some(key) = &admitted.request.idempotency_key
            {
                places.extend(index.by_key(&admitted.request.kind, key).unwrap_or_default());
            }
        }
        let mut settled = archive::settled(&self.repo, tip, &contract.config, places)?;
        settled.sort_by_key(|(_, record, _)| record.finished_at);
        for (place, record, archived) in settled {
            if locked(&self.journal).get(record.id)?.is_none() {
                tracing::debug!("{place} is known from the archive");
                self.learn(tip, &contract.config.inbox, &place, &record, &archived)?;
            }
        }
        Ok(())
    }

    /// The state folders of the hosts that are registered on the remote.
    fn states_of_nodes(&self) -> Vec<Uuid> {
        let nodes = self.claims.marks.values().filter(|mark| claim::registered_node(&mark.name).is_some());
        nodes.filter_map(|mark| mark.note.as_ref().map(|note| note.state)).collect()
    }

    fn learn(
        &mut self,
        commit: Oid,
        inbox: &str,
        place: &str,
        record: &Record,
        archived: &str,
    ) -> Result<(), DispatchError> {
        let id = record.id;
        self.learn_pause(record)?;
        if let Some(resolution) = Resolution::of(record)
            && self.remembered(resolution.id)?.is_none()
        {
            // What waits for it by its key may be for this host alone.
            self.remember(&resolution)?;
        }
        let extension = archived.rsplit_once('.').map_or("yml", |(_, extension)| extension);
        let path = format!("{inbox}/{}.{extension}", record.name);
        let row = locked(&self.journal).get(id)?;
        let mut steps: Vec<Step> = Vec::new();
        let is_it = |row: &Row| row.path == path && row.blob == record.request_blob;
        if let Some(row) = row.as_ref().filter(|row| row.state.is_pending() && !is_it(row)) {
            if id == RequestId::derived(&row.introduced, &row.path, &row.blob) {
                // Nothing else can have this id: what says so is no record of it.
                tracing::warn!("{commit} says that it records {id}, and `{}` is what has this id", row.path);
                return Ok(());
            }
            // The file was edited after another host had started it: the id is the older one's.
            steps.push(Self::step(id, Event::Withdrawn));
        }
        match row.filter(|row| !row.state.is_pending() || is_it(row)).map(|row| row.state) {
            Some(state) if state.is_pending() => {}
            // Started or ended here: it is looked for on main where the journal asks for it.
            Some(state) if !state.is_settled() || state.outcome().is_some() => return Ok(()),
            // Never met, or taken back before anybody started it and come again.
            _ => {
                let introduced = record.requested_by.as_ref().map(|by| by.commit.clone()).unwrap_or_default();
                let (blob, base) = (record.request_blob.clone(), commit.to_string());
                steps.push(Self::step(id, Event::Seen { path, blob, introduced, base }));
            }
        }
        steps.push(Self::step(id, Event::Found { commit: commit.to_string(), outcome: record.outcome }));
        // At the time when it ended, so that it stands among what ended then.
        let at = record.finished_at.unwrap_or_else(|| self.clock.now());
        locked(&self.journal).append(&utc_millis(at), &steps, &[])?;
        self.queue.remove(id);
        self.tickets.remove(&id);
        let described = Admitted {
            kind: record.kind.clone(),
            idempotency_key: record.idempotency_key.clone(),
            spec_sha256: self.spec_of(id, record),
            place: Some(place.to_owned()),
        };
        Ok(locked(&self.journal).describe(&[(id, described)])?)
    }

    /// The digest of its spec, where another request may ask for it.
    fn spec_of(&self, id: RequestId, record: &Record) -> Option<String> {
        let blob: Oid = record.idempotency_key.as_ref().and(record.request_blob.parse().ok())?;
        // A folder may lie in the archive under that name: it has no spec.
        let bytes = self.repo.blob(blob, Limits::REQUEST.bytes_max as u64).ok()?.1.unwrap_or_default();
        let envelope = request::parse(&id.to_string(), &bytes).ok();
        envelope.map(|envelope| spec_digest(&envelope.request.spec))
    }
}
