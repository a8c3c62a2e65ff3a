//! Claims on the remote (`claims: remote`): the refs below `refs/dispatch/`, and the words of the commits that they
//! point at.
//!
//! ```text
//! refs/dispatch/claims/<request id>            this node has the request: no other starts it, or ends it
//! refs/dispatch/locks/<sha256 of the key>      this node has the resource, for a request
//! refs/dispatch/nodes/<node>                   this state folder goes by that name
//! refs/dispatch/hosts/<node>                   what that node says of itself, whatever `claims` is (host_status.rs)
//! refs/dispatch/probe/<node>                   for a moment at a node's first pass: may such refs come and go
//! ```
//!
//! Each ref points at a commit that was made for it alone, without a parent and without files, whose message a person
//! can read (`git log`) and whose trailers a program can. It holds a random word, so no two hosts ever push the same
//! object: a ref that holds our commit was won by us, and "up to date" cannot be mistaken for a win. Owns names and
//! words. Never decides who may do what (`dispatch/claims.rs` does), and reads no repository.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::id::RequestId;
use crate::record::commit::trailers;

/// Everything of ours on the remote but the record commits.
pub const ALL: &str = "refs/dispatch/";
const CLAIMS: &str = "refs/dispatch/claims/";
const LOCKS: &str = "refs/dispatch/locks/";
const NODES: &str = "refs/dispatch/nodes/";
const PROBE: &str = "refs/dispatch/probe/";
/// Not of claims: what each node says of itself to whoever reads the repository.
pub const HOSTS: &str = "refs/dispatch/hosts/";
/// All of claims.
pub const OF_CLAIMS: [&str; 4] = [CLAIMS, LOCKS, NODES, PROBE];

const TRAILER_KIND: &str = "Dispatch-Ref";
const TRAILER_NODE: &str = "Dispatch-Node";
const TRAILER_STATE: &str = "Dispatch-State";
const TRAILER_NONCE: &str = "Dispatch-Nonce";
const TRAILER_REQUEST: &str = "Dispatch-Request";
const TRAILER_PATH: &str = "Dispatch-Path";
const TRAILER_LOCK: &str = "Dispatch-Lock";

/// The ref that claims a request.
pub fn claim_ref(id: RequestId) -> String {
    format!("{CLAIMS}{id}")
}

/// The ref that locks a resource. A key may hold any character; its digest is always a name.
pub fn lock_ref(key: &str) -> String {
    format!("{LOCKS}{}", HEXLOWER.encode(&Sha256::digest(key.as_bytes())))
}

/// The ref that registers a node.
pub fn node_ref(node: &str) -> String {
    format!("{NODES}{node}")
}

/// The ref by which a node finds out what the server allows.
pub fn probe_ref(node: &str) -> String {
    format!("{PROBE}{node}")
}

/// The ref in which a node says where it stands.
pub fn host_ref(node: &str) -> String {
    format!("{HOSTS}{node}")
}

/// The request that a ref claims, where it is such a ref.
pub fn claimed_request(name: &str) -> Option<RequestId> {
    name.strip_prefix(CLAIMS)?.parse().ok()
}

/// Whether a ref locks a resource.
pub fn is_lock(name: &str) -> bool {
    name.starts_with(LOCKS)
}

/// The node that a ref registers, where it is such a ref.
pub fn registered_node(name: &str) -> Option<&str> {
    name.strip_prefix(NODES)
}

/// What a ref of ours stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A request is claimed.
    Claim {
        /// Which.
        id: RequestId,
        /// Its path in the inbox.
        path: String,
    },
    /// A resource is locked.
    Lock {
        /// Its key.
        key: String,
        /// The request that it is locked for.
        id: RequestId,
        /// The path of that.
        path: String,
    },
    /// A name is taken.
    Node,
    /// The server is tried.
    Probe,
}

/// What the commit of a ref says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What the ref stands for.
    pub purpose: Purpose,
    /// The name of the node that made it.
    pub node: String,
    /// The state folder that made it.
    pub state: Uuid,
    /// A word that no other commit has.
    pub nonce: Uuid,
}

impl Note {
    /// The ref that this note belongs to.
    pub fn name(&self) -> String {
        match &self.purpose {
            Purpose::Claim { id, .. } => claim_ref(*id),
            Purpose::Lock { key, .. } => lock_ref(key),
            Purpose::Node => node_ref(&self.node),
            Purpose::Probe => probe_ref(&self.node),
        }
    }

    /// The request that it is about, where it is about one.
    pub fn request(&self) -> Option<RequestId> {
        match &self.purpose {
            Purpose::Claim { id, .. } | Purpose::Lock { id, .. } => Some(*id),
            Purpose::Node | Purpose::Probe => None,
        }
    }

    /// The message of the commit. Paths and keys are printable lines already: admission took them.
    pub fn message(&self) -> String {
        let node = &self.node;
        let (subject, words, kind) = match &self.purpose {
            Purpose::Claim { path, .. } => (
                format!("{node} has claimed {path}"),
                format!(
                    "No other node starts this request, or ends it, while this ref stands. The push of its record\n\
                     deletes it. Where {node} is gone for good, `dispatch resolve` settles the request."
                ),
                "claim",
            ),
            Purpose::Lock { key, path, .. } => (
                format!("{node} has the resource {key}"),
                format!("For {path}. The push of its record deletes this ref."),
                "lock",
            ),
            Purpose::Node => (
                format!("node {node}"),
                "The state folder below goes by this name. Another one with the same name stops until `dispatch adopt`."
                    .to_owned(),
                "node",
            ),
            Purpose::Probe => (
                format!("{node} tries whether refs may come and go"),
                "It is deleted at once; one that stays can be deleted by anybody.".to_owned(),
                "probe",
            ),
        };
        let mut text = format!("{subject}\n\n{words}\n\n{TRAILER_KIND}: {kind}\n{TRAILER_NODE}: {node}\n");
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{key}: {value}").expect("a String takes all");
        };
        line(TRAILER_STATE, &self.state);
        line(TRAILER_NONCE, &self.nonce);
        match &self.purpose {
            Purpose::Claim { id, path } => {
                line(TRAILER_REQUEST, id);
                line(TRAILER_PATH, path);
            }
            Purpose::Lock { key, id, path } => {
                line(TRAILER_LOCK, key);
                line(TRAILER_REQUEST, id);
                line(TRAILER_PATH, path);
            }
            Purpose::Node | Purpose::Probe => {}
        }
        text
    }

    /// Reads a message; `None` where it is none of ours. Such a ref is somebody's, and nobody's in particular.
    pub fn parse(message: &str) -> Option<Self> {
        let one = |key: &str| trailers(message, key).next();
        let id = || one(TRAILER_REQUEST).and_then(|text| text.parse().ok());
        let path = || one(TRAILER_PATH).unwrap_or_default().to_owned();
        let purpose = match one(TRAILER_KIND)? {
            "claim" => Purpose::Claim { id: id()?, path: path() },
            "lock" => Purpose::Lock { key: one(TRAILER_LOCK)?.to_owned(), id: id()?, path: path() },
            "node" => Purpose::Node,
            "probe" => Purpose::Probe,
            _ => return None,
        };
        Some(Self {
            purpose,
            node: one(TRAILER_NODE)?.to_owned(),
            state: one(TRAILER_STATE)?.parse().ok()?,
            nonce: one(TRAILER_NONCE)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(purpose: Purpose) -> Note {
        Note { purpose, node: "web-1".into(), state: Uuid::from_u128(7), nonce: Uuid::from_u128(9) }
    }
    fn id() -> RequestId {
        RequestId::derived("c", "p", "b")
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let path = "requests/a.yml".to_owned();
        for purpose in [
            Purpose::Claim { id: id(), path: path.clone() },
            Purpose::Lock { key: "host/web 01: a".into(), id: id(), path },
            Purpose::Node,
            Purpose::Probe,
        ] {
            let note = note(purpose);
            assert_eq!(Note::parse(&note.message()), Some(note.clone()), "{}", note.message());
        }
    }

    #[test]
    fn what_others_write_is_no_note() {
        let whole = note(Purpose::Claim { id: id(), path: "a".into() }).message();
        for text in [
            "",
            "web-1 has claimed a",
            &whole.replace("claim\n", "clam\n"),
            &whole.replace("Dispatch-Nonce", "X"),
            &whole.replace("Dispatch-Request", "X"),
            &format!("{whole}\n\nand more"),
        ] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }

    #[test]
    fn refs_are_told_apart_by_their_names() {
        let name = claim_ref(id());
        assert_eq!(claimed_request(&name), Some(id()));
        assert_eq!(claimed_request("refs/dispatch/claims/x"), None);
        assert_eq!(claimed_request(&lock_ref("a")), None);
        assert!(is_lock(&lock_ref("a")) && !is_lock(&name));
        assert_ne!(lock_ref("a"), lock_ref("b"));
        assert_eq!(lock_ref("a").len(), "refs/dispatch/locks/".len() + 64);
        assert_eq!(registered_node(&node_ref("web-1")), Some("web-1"));
        assert_eq!(note(Purpose::Node).name(), "refs/dispatch/nodes/web-1");
        assert_eq!(note(Purpose::Lock { key: "a".into(), id: id(), path: String::new() }).name(), lock_ref("a"));
    }
}
