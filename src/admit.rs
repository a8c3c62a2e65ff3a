//! Admission: one verdict on one file, the same for `run` and for `check` before the merge. Pure.
//!
//! The order of the questions is the order of blame: first what the request itself says wrongly (rejected),
//! then what the repository says wrongly about its kind (held), then what the machine's owner does not allow
//! (rejected). The first kind of fault ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::command::{self, Command};
use crate::diagnostic::Diagnostic;
use crate::id::RequestId;
use crate::job::{Grant, Row};
use crate::policy::{self, HostFile};
use crate::request::{self, Envelope, Request};
use crate::route::{self, Index, Unrouted};
use crate::schema::Schema;

/// A kind that can be run: its row, and what the commit has for it.
#[derive(Debug)]
pub struct Kind {
    /// Its row of the router table.
    pub row: Row,
    /// The command up to its own arguments; repository paths in it are relative.
    pub command: Vec<String>,
    /// Object id of the handler, where it is a file of the repository.
    pub handler_blob: Option<String>,
    /// Its schema; without one the spec must be a mapping and nothing else is asked.
    pub schema: Option<Arc<Schema>>,
    /// Object id of the schema.
    pub schema_blob: Option<String>,
}

/// What one commit says about kinds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The router table.
    pub index: Index,
    /// For each good row: the kind, or why it cannot be run.
    pub kinds: BTreeMap<String, Result<Arc<Kind>, Vec<Diagnostic>>>,
}

/// The verdict on a file.
#[derive(Debug)]
pub enum Verdict {
    /// It may run.
    Ready(Box<Admitted>),
    /// It asks something of the dispatcher itself.
    Command(Box<Commanded>),
    /// It is refused, for good.
    Rejected(Rejection),
    /// The repository's fault: it stays in the inbox until a later commit mends that.
    Held {
        /// Its kind.
        kind: String,
        /// What is wrong.
        faults: Vec<Diagnostic>,
    },
}

/// A request that may run.
#[derive(Debug)]
pub struct Admitted {
    /// What it asks for.
    pub request: Request,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// What it is allowed.
    pub grant: Grant,
    /// The locks that it needs.
    pub locks: BTreeSet<String>,
}

/// A request of a reserved kind.
#[derive(Debug)]
pub struct Commanded {
    /// The request.
    pub request: Request,
    /// What it asks.
    pub command: Command,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Its class, one word, as `reason` in the record.
    pub reason: &'static str,
    /// The kind, as far as it could be read.
    pub kind: Option<String>,
    /// The id that the request names, as far as it could be read.
    pub id: Option<Uuid>,
    /// Every fault, the first one first.
    pub faults: Vec<Diagnostic>,
}

impl Rejection {
    /// A refusal of an entry that was not read.
    pub fn unread(fault: Diagnostic) -> Self {
        Self { reason: "invalid_entry", kind: None, id: None, faults: vec![fault] }
    }

    /// A refusal of a file that a commit moved back from the archive.
    pub fn returned(file: &str) -> Self {
        let fault = Diagnostic::new("E0207", file, "this request came back from the archive: its record was reverted")
            .help("what has run is not run again by a revert; `rerun` of it (a new request with the same spec) is how to ask for that");
        Self { reason: "returned", kind: None, id: None, faults: vec![fault] }
    }

    /// A refusal of an id that another request has. The refusal itself goes by the derived id.
    pub fn duplicate_id(file: &str, kind: Option<String>, id: Uuid) -> Self {
        let fault = Diagnostic::new("E0206", file, format!("the id {id} belongs to another request"))
            .help("give this one an id of its own, or none: then it gets one by itself");
        Self { reason: "duplicate_id", kind, id: None, faults: vec![fault] }
    }

    /// A refusal of an idempotency key under which something else succeeded.
    pub fn mismatched_key(file: &str, kind: String, key: &str, other: RequestId) -> Self {
        let message = format!("idempotency_key `{key}` was used by {other} with another spec");
        let fault = Diagnostic::new("E0208", file, message)
            .help("a key stands for one spec: choose a new key, or make the specs the same");
        Self { reason: "idempotency_mismatch", kind: Some(kind), id: None, faults: vec![fault] }
    }

    /// Its class and, where that does not say all, the first fault; for what is not granted also the line to add, because the
    /// reader of the record is often the one who writes the host file.
    pub fn in_full(&self) -> String {
        let class = self.reason;
        match self.faults.first().filter(|_| class != "returned") {
            None => class.to_owned(),
            Some(fault) if class == "not_granted" => {
                let fix = fault.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                format!("{class}: {}{fix}", fault.message)
            }
            Some(fault) => format!("{class}: {}", fault.message),
        }
    }
}

/// Judges the bytes of a request. `id_of` gives the id of a request that names none.
pub fn admit(rules: &Rules, host: &HostFile, file: &str, bytes: &[u8], id_of: impl FnOnce() -> Uuid) -> Verdict {
    let envelope = match request::parse(file, bytes) {
        Ok(envelope) => envelope,
        Err(faults) => {
            let (kind, id) = request::hints(file, bytes);
            return Verdict::Rejected(Rejection { reason: "invalid_request", kind, id, faults });
        }
    };
    let rejected = |reason, faults| {
        let (kind, id) = (Some(envelope.request.kind.clone()), envelope.request.id);
        Verdict::Rejected(Rejection { reason, kind, id, faults })
    };
    if request::is_reserved(&envelope.request.kind) {
        return match command::read(&envelope) {
            Ok(command) => Verdict::Command(Box::new(Commanded { request: envelope.request, command })),
            Err((reason, faults)) => rejected(reason, faults),
        };
    }
    let held = |faults: &[Diagnostic]| Verdict::Held { kind: envelope.request.kind.clone(), faults: faults.to_vec() };
    match rules.index.route(&envelope) {
        Err(Unrouted::Unknown(fault)) => return rejected("unknown_kind", vec![*fault]),
        Err(Unrouted::Held(faults)) => return held(&faults),
        Ok(_) => {}
    }
    let kind = match rules.kinds.get(&envelope.request.kind) {
        Some(Ok(kind)) => kind,
        Some(Err(faults)) => return held(faults),
        None => return held(&[]),
    };
    let faults = spec_faults(kind, &envelope);
    if !faults.is_empty() {
        return rejected("invalid_spec", faults);
    }
    let id = envelope.request.id.unwrap_or_else(id_of);
    let locks = match route::lock_keys(&kind.row, &envelope, id) {
        Ok(locks) => locks,
        Err(fault) => return rejected("invalid_spec", vec![fault]),
    };
    match policy::permit(&kind.row, &envelope, host) {
        Ok(grant) => {
            Verdict::Ready(Box::new(Admitted { request: envelope.request, kind: Arc::clone(kind), grant, locks }))
        }
        Err(refusals) => rejected("not_granted", refusals.into_iter().map(|refusal| refusal.diagnostic).collect()),
    }
}

fn spec_faults(kind: &Kind, envelope: &Envelope) -> Vec<Diagnostic> {
    kind.schema.as_ref().map(|schema| schema.validate(&envelope.document, "/spec")).unwrap_or_default()
}
