//! Requests that are handed in on the host, through the state folder: `<state>/handed-in/000001.json`, in the order in which
//! they came.
//!
//! Owns the files. One appears whole and durable or not at all, and is taken out when the journal says how its request ended:
//! until then every look finds it again. Only who may write in the state folder (mode 0700) can hand anything in; nothing
//! here goes over the remote.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::id::RequestId;
use crate::statedir::StateDir;

const VERSION: u32 = 1;

/// A request that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedIn {
    /// Version of this file.
    pub v: u32,
    /// Its id, which its text names too.
    pub id: RequestId,
    /// The name that its file in the inbox would have, without ending.
    pub stem: String,
    /// Who handed it in, as `Name <address>`.
    pub who: String,
    /// When.
    #[serde(with = "crate::clock::millis")]
    pub at: Timestamp,
    /// Its text.
    pub text: String,
    /// Its place in the order in which they came.
    #[serde(skip)]
    pub number: u64,
}

impl HandedIn {
    /// One that is about to be handed in.
    pub fn new(id: RequestId, stem: String, who: String, at: Timestamp, text: String) -> Self {
        Self { v: VERSION, id, stem, who, at, text, number: 0 }
    }
}

/// Hands a request in: it is durable on return.
///
/// # Errors
/// The system's words.
pub fn put(state: &StateDir, request: &HandedIn) -> io::Result<()> {
    let folder = state.handed_in();
    // Whoever hands in as root must not shut the dispatcher's own user out.
    let owner = fs::metadata(state.root())?;
    let own = |path: &Path| -> io::Result<()> {
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))?;
        }
        Ok(())
    };
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        own(&folder)?;
        durable::sync_folder(state.root()).map_err(io::Error::other)?;
    }
    let text = serde_json::to_vec_pretty(request).map_err(io::Error::other)?;
    let mut draft = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder)?;
    draft.write_all(&text)?;
    own(draft.path())?;
    draft.as_file().sync_all()?;
    // Two at once come one after the other: a name that is taken is nobody else's.
    let mut number = all(state).last().map_or(0, |last| last.number);
    loop {
        number += 1;
        match draft.persist_noclobber(file(&folder, number)) {
            Ok(_) => break,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => draft = error.file,
            Err(error) => return Err(error.error),
        }
    }
    durable::sync_folder(&folder).map_err(io::Error::other)
}

/// What was handed in and not taken out yet, in order.
pub fn all(state: &StateDir) -> Vec<HandedIn> {
    let folder = state.handed_in();
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut numbers: Vec<u64> = entries.flatten().filter_map(|entry| number_of(&entry.file_name())).collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|number| read(&folder, number)).collect()
}

/// Takes one out: it has ended.
///
/// # Errors
/// The system's words.
pub fn take_out(state: &StateDir, request: &HandedIn) -> io::Result<()> {
    durable::remove_file(&file(&state.handed_in(), request.number)).map_err(io::Error::other)
}

fn read(folder: &Path, number: u64) -> Option<HandedIn> {
    let path = file(folder, number);
    let text = fs::read(&path).ok()?;
    match serde_json::from_slice::<HandedIn>(&text) {
        Ok(request) if request.v == VERSION => Some(HandedIn { number, ..request }),
        Ok(request) => {
            tracing::warn!("`{}` is left alone: this program does not know version {}", path.display(), request.v);
            None
        }
        Err(error) => {
            tracing::warn!("`{}` is left alone: {error}", path.display());
            None
        }
    }
}

fn file(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:06}.json"))
}

fn number_of(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(n: u8) -> HandedIn {
        let (id, at) = (RequestId::derived("c", "p", &n.to_string()), Timestamp::UNIX_EPOCH);
        HandedIn::new(id, format!("pause-{n}"), "A <a@x>".to_owned(), at, format!("kind: dispatch.pause\n# {n}\n"))
    }

    #[test]
    fn what_is_handed_in_stays_in_order_until_it_is_taken_out() {
        let folder = tempfile::tempdir().expect("temp folder");
        let state = StateDir::locate(folder.path(), Some(folder.path())).expect("a place");
        assert_eq!(all(&state), []);
        for n in 1..=3 {
            put(&state, &request(n)).expect("handed in");
        }
        // What another program, or a person, has left there stops nobody.
        fs::write(state.handed_in().join("000002.json.swp"), "x").expect("written");
        fs::write(state.handed_in().join("000009.json"), "{").expect("written");
        let found = all(&state);
        let ids = |found: &[HandedIn]| found.iter().map(|request| request.id).collect::<Vec<_>>();
        assert_eq!(ids(&found), [1, 2, 3].map(|n| request(n).id));
        assert_eq!(HandedIn { number: 0, ..found[0].clone() }, request(1));
        take_out(&state, &found[0]).expect("taken out");
        take_out(&state, &found[0]).expect("and once more");
        put(&state, &request(4)).expect("handed in");
        assert_eq!(ids(&all(&state)), [2, 3, 4].map(|n| request(n).id));
    }
}
