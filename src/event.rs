//! What the journal writes down about one request: every step that has an effect, before or after it as
//! `docs/durability.md` says. Owns the words; the order in which they may come is `state`'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::RequestId;
use crate::job::Publish;
use crate::outcome::{ActionRun, Outcome};

/// The refs by which a host has a request for itself on the remote. Each points at a commit of its own that nobody else
/// has, so that a ref which points at it was won by this very claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Random word of this claim; it stands in each of the commits.
    pub nonce: String,
    /// The commit of the claim's own ref.
    pub commit: String,
    /// The commit of each resource's lock ref, by lock key.
    pub locks: BTreeMap<String, String>,
}

/// One durable step of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum Event {
    /// The entry was met on main. Nothing has been decided.
    Seen {
        /// Path in the inbox.
        path: String,
        /// Object id of the request file.
        blob: String,
        /// Commit on main's first-parent line that gave this path this blob.
        introduced: String,
        /// Tip of main at which it was met.
        base: String,
    },
    /// The request is about to be claimed on the remote (`claims: remote`); whether it was won is to be read back.
    Claim(Claim),
    /// All refs of the claim were read back as ours, and the request was in the inbox of the main that was fetched after
    /// they stood: no other host starts it, or ends it, before we delete them.
    Claimed {
        /// That tip of main.
        tip: String,
    },
    /// The claim was not won, or is given back before anything was started. A later one has another nonce.
    Unclaimed {
        /// Why, in words.
        reason: String,
    },
    /// A handler is about to be spawned. At-most-once kinds never get a second one.
    Start {
        /// Attempt number, from 1.
        attempt: u32,
        /// Random word of this start, to tell it from a start of another host.
        nonce: String,
        /// Commit whose tree the handler sees, fixed for all attempts.
        commit: String,
        /// Where the record will stand below the output folder.
        place: String,
        /// Boot of the machine: a different one after a crash means that nothing of the attempt lives.
        boot: String,
        /// How long the machine had been up, in milliseconds: a clock that nobody sets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up_ms: Option<u64>,
        /// Its kind, for who asks after a power cut that left the journal and little else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// How much of the outcome may be committed, should nothing else be known of the kind any more.
        #[serde(default, skip_serializing_if = "Publish::is_full")]
        publish: Publish,
        /// User that the handler is about to run as.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_as: Option<String>,
        /// Layers that were found for it before the start: what is known of them where nobody sees the end.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        layers: Vec<String>,
    },
    /// The handler has succeeded: its report lies in the spool, masked and synced, and actions of the host file follow. The
    /// handler is never started again.
    Passed {
        /// Attempt number, from 1.
        attempt: u32,
        /// Its exit code.
        exit_code: Option<i32>,
        /// The actions that follow, in order; never empty.
        actions: Vec<String>,
    },
    /// An action is about to be spawned. At-most-once kinds never start the same one twice.
    ActionStart {
        /// Its place among the actions, from 1.
        number: u32,
        /// Its name.
        name: String,
        /// Boot of the machine, as in a start.
        boot: String,
    },
    /// An action is over, or nobody saw its end; what it printed is masked and synced.
    ActionExit {
        /// Its place among the actions, from 1.
        number: u32,
        /// What came of it.
        run: ActionRun,
        /// It is started again.
        again: bool,
    },
    /// A person wants what was started to end. What runs is told so afterwards, and nothing more of the request starts.
    Cancel {
        /// The request that says so.
        by: RequestId,
        /// Why, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The attempt is over and its spool is masked and synced, or there was none to run.
    Exit {
        /// Attempt number; 0 where nothing was started (rejected, expired, replayed).
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
        /// Exit code, where the handler had one.
        exit_code: Option<i32>,
        /// Class of the reason, for people and counters.
        reason: Option<String>,
        /// False: another attempt follows.
        terminal: bool,
        /// Where another attempt follows: when it is due, RFC 3339 in UTC.
        retry_at: Option<String>,
        /// SHA-256 of log.jsonl in the spool.
        log_sha256: Option<String>,
    },
    /// A commit with the record exists in our object store.
    Built {
        /// Tip of main that it was built on.
        base: String,
        /// The commit.
        commit: String,
    },
    /// The record is on main, read back.
    Pushed {
        /// Tip of main after the push.
        tip: String,
    },
    /// Main has a record of it that this journal did not build: the state folder is older than main, or somebody else
    /// recorded it. Nothing of it is run or written again.
    Found {
        /// The commit that brought the record.
        commit: String,
        /// How it ended, as that commit says.
        outcome: Outcome,
    },
    /// The request left the inbox before anything was started.
    Withdrawn,
}
