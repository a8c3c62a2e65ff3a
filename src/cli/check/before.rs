//! What went before: ids that requests have had, and idempotency keys under which something succeeded. `check` asks the journal of
//! this host where there is one, and the records on main as this clone knows it; the dispatcher asks its journal.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::admit::Rejection;
use crate::archive::{self, Effort};
use crate::cli::exit::Failure;
use crate::cli::home::Home;
use crate::clock::{Clock as _, System};
use crate::command::{CANCEL, RESOLVE, Uncancellable, Unresolvable};
use crate::config::RepoConfig;
use crate::dispatch::HeldBy;
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::pause::{PAUSE, Pause};
use crate::record::Record;
use crate::repo::{Repo, blob_id};
use crate::request::{self, Request, spec_digest};
use crate::state::State;
use crate::view::ViewError;
use crate::yaml::{self, Limits};

/// Why a person's word (`dispatch.resolve`, `dispatch.cancel`, `dispatch.pause`) would be refused, by what can be known here.
///
/// # Errors
/// The requests cannot be read.
pub fn refused_word(home: &Home, file: &str, bytes: &[u8], request: &Request) -> Result<Option<Rejection>, Failure> {
    let id = request.spec.get("id").and_then(Value::as_str).and_then(|id| id.parse::<RequestId>().ok());
    let refused = |code, pointer: &str, words, help: &str, reason| {
        let fault = match yaml::read(file, bytes, Limits::REQUEST) {
            Ok(document) => document.fault_at_value(code, pointer, words),
            Err(fault) => fault,
        };
        Rejection { reason, kind: Some(request.kind.clone()), id: request.id, faults: vec![fault.help(help)] }
    };
    if request.kind == PAUSE {
        let until = request.spec.get("until").and_then(Value::as_str).and_then(|until| until.parse::<Timestamp>().ok());
        let is_over = until.is_some_and(|until| until <= System::new().now());
        let refusal =
            || refused(Pause::OVER_CODE, "/spec/until", Pause::OVER.to_owned(), Pause::OVER_HELP, Pause::OVER_REASON);
        return Ok(is_over.then(refusal));
    }
    let Some(id) = id.filter(|_| [RESOLVE, CANCEL].contains(&request.kind.as_str())) else { return Ok(None) };
    let view = home.view()?;
    let line = match view.find(&id.to_string()) {
        Ok(line) if line.id == id => Some(line),
        Ok(_) | Err(ViewError::Unknown { .. } | ViewError::Ambiguous { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if request.kind == CANCEL {
        // What is not known here may come with the same merge.
        let ended = line.and_then(|line| line.state.parse::<Outcome>().ok()).map(Uncancellable::Ended);
        return Ok(ended.map(|why| {
            let (words, help) = why.words(id);
            refused(Uncancellable::CODE, "/spec/id", words, help, Uncancellable::REASON)
        }));
    }
    let in_doubt =
        view.held(id).is_some_and(|held| matches!(held.by, HeldBy::Foreign | HeldBy::Restored | HeldBy::Claim));
    let why = match line {
        None => Unresolvable::Unknown,
        Some(line) => match (line.state.parse::<Outcome>(), line.path, line.resolved) {
            (Ok(Outcome::Indeterminate), _, Some(said)) => Unresolvable::Settled(said.words()),
            (Ok(Outcome::Indeterminate), _, None) => return Ok(None),
            (Ok(outcome), ..) => Unresolvable::Known(outcome),
            (Err(_), ..) if ["running", "retrying"].contains(&line.state.as_str()) => Unresolvable::Started,
            (Err(_), Some(path), _) if ["pending", "held"].contains(&line.state.as_str()) && !in_doubt => {
                Unresolvable::Waiting(path)
            }
            // The next pass knows more.
            (Err(_), ..) => return Ok(None),
        },
    };
    let (words, help) = why.words(id);
    Ok(Some(refused(Unresolvable::CODE, "/spec/id", words, &help, Unresolvable::REASON)))
}

/// Records on main that are looked through, the youngest first.
const RECORDS_MAX: usize = 20_000;

/// Ids and keys that are not free any more, of those that are asked about.
#[derive(Debug, Default)]
pub struct Before {
    /// Path and object of the requests that had an id.
    ids: HashMap<Uuid, Vec<(String, String)>>,
    /// What succeeded under a kind and key: its id, and the digest of its spec.
    succeeded: HashMap<(String, String), (RequestId, String)>,
    /// Who of those that are judged had a kind and key first.
    first: HashMap<(String, String), String>,
}

impl Before {
    /// Looks for what these files name. Most name neither id nor key, and then nothing is read.
    ///
    /// # Errors
    /// The records cannot be read.
    pub fn of<'a>(
        home: &Home,
        config: &RepoConfig,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Failure> {
        let (mut ids, mut keys) = (HashSet::new(), HashSet::new());
        for (file, bytes) in files {
            let Ok(envelope) = request::parse(file, bytes) else {
                ids.extend(request::hints(file, bytes).1);
                continue;
            };
            let Request { id, kind, idempotency_key, .. } = envelope.request;
            ids.extend(id);
            keys.extend(idempotency_key.map(|key| (kind, key)));
        }
        let mut before = Self::default();
        if ids.is_empty() && keys.is_empty() {
            return Ok(before);
        }
        before.ask_journal(home, &ids, &keys);
        before.ask_main(home.state.root(), &home.reader()?, config, &ids, &keys)?;
        Ok(before)
    }

    /// Whether another request than this file has had that id.
    pub fn has(&self, id: Uuid, file: &str, bytes: &[u8]) -> bool {
        let blob = blob_id(bytes).to_string();
        let others = self.ids.get(&id).into_iter().flatten();
        others.into_iter().any(|(path, object)| path != file || *object != blob)
    }

    /// What a request waits for because of its key; `None` where nothing.
    ///
    /// # Errors
    /// Its key stands for another spec.
    pub fn key_of(&mut self, file: &str, request: &Request) -> Result<Option<String>, Rejection> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let named = (request.kind.clone(), key.clone());
        if let Some((other, digest)) = self.succeeded.get(&named)
            && *digest != spec_digest(&request.spec)
        {
            return Err(Rejection::mismatched_key(file, named.0, key, *other));
        }
        if let Some(earlier) = self.first.get(&named) {
            return Ok(Some(format!("waits for {earlier}, which has the same idempotency_key")));
        }
        self.first.insert(named, file.to_owned());
        Ok(None)
    }

    /// A journal that cannot be read here is somebody else's, and main says most of it too.
    fn ask_journal(&mut self, home: &Home, ids: &HashSet<Uuid>, keys: &HashSet<(String, String)>) {
        let Some(journal) = home.journal().ok().flatten() else { return };
        for id in ids {
            let row = journal.get(RequestId::explicit(*id)).ok().flatten();
            // One that waits is met in the inbox, where it may have been moved or edited since.
            if let Some(row) = row.filter(|row| row.state != State::Withdrawn && !row.state.is_pending()) {
                self.ids.entry(*id).or_default().push((row.path, row.blob));
            }
        }
        for (kind, key) in keys {
            let rows = journal.with_idempotency_key(kind, key).unwrap_or_default();
            for row in rows.into_iter().filter(|row| row.state.outcome() == Some(Outcome::Succeeded)) {
                let digest = row.spec_sha256.unwrap_or_default();
                self.succeeded.insert((kind.clone(), key.clone()), (row.id, digest));
            }
        }
    }

    fn ask_main(
        &mut self,
        state: &Path,
        repo: &Repo,
        config: &RepoConfig,
        ids: &HashSet<Uuid>,
        keys: &HashSet<(String, String)>,
    ) -> Result<(), Failure> {
        let Some(tip) = repo.known_tip() else { return Ok(()) };
        let names = |bytes: &[u8]| {
            let value = |key: &[u8]| {
                let line = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key))?;
                std::str::from_utf8(line).ok().map(|text| text.trim().trim_matches(['"', '\'']))
            };
            value(b"id: ").and_then(|text| text.parse().ok()).is_some_and(|id| ids.contains(&id))
                || (!keys.is_empty() && value(b"idempotency_key: ").is_some())
        };
        let records = match archive::index_at(state, repo, tip, config, Effort::Little)? {
            Some(index) => {
                let ids = ids.iter().map(|id| RequestId::explicit(*id));
                archive::indexed_of(&index, repo, tip, config, ids, keys)?
            }
            None => archive::of_youngest_days(repo, tip, config, (usize::MAX, RECORDS_MAX), names, |_| true)?,
        };
        for (_, record) in records {
            let paths = [".yml", ".yaml"].map(|ending| format!("{}/{}{ending}", config.inbox, record.name));
            let known = self.ids.entry(record.id.uuid()).or_default();
            // Which of the two endings it had is not in the record; the object tells.
            if !known.iter().any(|(_, blob)| *blob == record.request_blob) {
                let [path, _] = paths;
                known.push((path, record.request_blob.clone()));
            }
            self.take_key(repo, &record, keys);
        }
        Ok(())
    }

    fn take_key(&mut self, repo: &Repo, record: &Record, keys: &HashSet<(String, String)>) {
        let named = record.kind.clone().zip(record.idempotency_key.clone()).filter(|named| keys.contains(named));
        let Some(named) = named.filter(|_| record.outcome == Outcome::Succeeded) else { return };
        let bytes = record.request_blob.parse().ok().and_then(|blob| {
            let (_, bytes) = repo.blob(blob, Limits::REQUEST.bytes_max as u64).ok()?;
            bytes
        });
        if let Some(Ok(envelope)) = bytes.map(|bytes| request::parse(&record.name, &bytes)) {
            self.succeeded.entry(named).or_insert((record.id, spec_digest(&envelope.request.spec)));
        }
    }
}
