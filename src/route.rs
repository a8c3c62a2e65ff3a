//! The router table, `handlers/index.yml`: from a request's kind to the row that serves it, and to the locks it needs.
//!
//! Owns the table as a whole; `row.rs` reads one row. A bad row holds only its own kind. It never opens a handler.
//!
//! | code | fault |
//! |---|---|
//! | E0301 | a kind that the table does not have (the request's fault) |
//! | E0302 | a lock key that the request cannot fill (the request's fault) |

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::config::RepoConfig;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::fields::Fields;
use crate::job::Row;
use crate::request::Envelope;
use crate::resource::FillError;
use crate::row;
use crate::yaml::{self, Limits};

/// The table's path in the repository.
pub const PATH: &str = "handlers/index.yml";

/// The router table: for each kind its row, or what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    rows: BTreeMap<String, Result<Row, Vec<Diagnostic>>>,
}

/// Why a request has no row.
#[derive(Clone, Debug, PartialEq)]
pub enum Unrouted {
    /// There is no such kind: the request's fault, which rejects it. Its message begins `Unknown handler for kind <kind>`.
    Unknown(Box<Diagnostic>),
    /// The kind's row is bad: the repository's fault, which holds the request.
    Held(Vec<Diagnostic>),
}

impl Index {
    /// Reads the table. `config` says where requests and records lie: no handler may.
    ///
    /// # Errors
    /// A fault that makes the whole table unreadable, and so holds every kind. An empty file is one: it is more likely a
    /// slip than a wish to reject every request there is (`{}` says that).
    pub fn parse(file: &str, bytes: &[u8], config: &RepoConfig) -> Result<Self, Diagnostic> {
        let document = yaml::read(file, bytes, Limits::REPOSITORY)?;
        let kinds = Fields::of(&document, "", "the router table", row::CODES)?.keys();
        let rows = kinds.map(|kind| (kind.to_owned(), row::read(&document, kind, config))).collect();
        Ok(Self { rows })
    }

    /// The row that serves a request.
    ///
    /// # Errors
    /// Says whose fault it is that there is none.
    pub fn route(&self, envelope: &Envelope) -> Result<&Row, Unrouted> {
        let kind = &envelope.request.kind;
        match self.rows.get(kind) {
            Some(Ok(row)) => Ok(row),
            Some(Err(faults)) => Err(Unrouted::Held(faults.clone())),
            None => Err(Unrouted::Unknown(Box::new(self.unknown_kind(envelope)))),
        }
    }

    /// The row of a kind, where it has a good one.
    pub fn row(&self, kind: &str) -> Option<&Row> {
        self.rows.get(kind)?.as_ref().ok()
    }

    /// Every kind in alphabetical order, with its row or what is wrong with it.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Result<&Row, &[Diagnostic]>)> {
        self.rows.iter().map(|(kind, row)| (kind.as_str(), row.as_ref().map_err(Vec::as_slice)))
    }

    /// All that is wrong with the table's rows.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        self.rows.values().filter_map(|row| row.as_ref().err()).flatten()
    }

    fn unknown_kind(&self, envelope: &Envelope) -> Diagnostic {
        let kind = &envelope.request.kind;
        let known: Vec<&str> = self.rows.keys().map(String::as_str).collect();
        // `expected` stays readable with hundreds of kinds; `dispatch kinds` lists them all.
        let listed = match known.len() {
            0 => "nothing: the router table has no kinds".to_owned(),
            1..=20 => format!("one of {}", known.join(", ")),
            count => format!("one of {count} kinds, which `dispatch kinds` lists"),
        };
        let fault = envelope.document.fault_at_value("E0301", "/kind", format!("Unknown handler for kind {kind}"));
        fault.expected(listed).help_if(did_you_mean(kind, known))
    }
}

/// The lock keys of a request: those of its row, or its kind where neither row nor request names one, and its own.
///
/// # Errors
/// A fault of the request whose values do not fill the row's templates.
pub fn lock_keys(row: &Row, envelope: &Envelope, id: Uuid) -> Result<BTreeSet<String>, Diagnostic> {
    let request = &envelope.request;
    let filled = row.resource.iter().map(|template| template.fill(&request.kind, id, &request.spec));
    let mut keys = filled.collect::<Result<BTreeSet<String>, FillError>>().map_err(|error| {
        let pointer = match &error {
            FillError::Missing { pointer, .. } | FillError::WrongType { pointer, .. } => pointer,
            FillError::Key { .. } => "/spec",
        };
        envelope.document.fault_at_value("E0302", pointer, error.to_string())
    })?;
    keys.extend(request.resource.clone());
    if keys.is_empty() {
        keys.insert(request.kind.clone());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;

    fn index(text: &str) -> Index {
        Index::parse(PATH, text.as_bytes(), &RepoConfig::default()).unwrap()
    }

    fn envelope(text: &str) -> Envelope {
        request::parse("requests/a.yml", text.as_bytes()).unwrap()
    }

    #[test]
    fn flat_and_full_stand_side_by_side_and_a_bad_row_holds_its_kind_only() {
        let index = index("deploy: handlers/deploy.sh\nbackup: {run: handlers/backup.py}\nbad: {rnu: x}\n");
        assert_eq!(index.route(&envelope("kind: deploy")).unwrap().run, ["handlers/deploy.sh"]);
        assert_eq!(index.route(&envelope("kind: backup")).unwrap().run, ["handlers/backup.py"]);
        assert!(matches!(index.route(&envelope("kind: bad")), Err(Unrouted::Held(faults)) if faults.len() == 2));
        assert_eq!(index.rows().filter(|(_, row)| row.is_ok()).count(), 2);
        assert_eq!(index.faults().count(), 2);
    }

    #[test]
    fn a_table_that_cannot_be_read_is_one_fault() {
        for (text, code) in [("", "E0104"), ("~", "E0501"), ("[]", "E0501"), ("deploy", "E0501")] {
            assert_eq!(Index::parse(PATH, text.as_bytes(), &RepoConfig::default()).unwrap_err().code, code, "{text:?}");
        }
        for text in ["a: x\na: y\n", "a: [\n"] {
            let fault = Index::parse(PATH, text.as_bytes(), &RepoConfig::default()).unwrap_err();
            assert!(fault.code.starts_with("E01"), "{text:?}: {fault:?}");
        }
    }

    #[test]
    fn an_unknown_kind_is_the_requests_fault() {
        let table = index("deploy: handlers/deploy.sh\nbackup: handlers/backup.py\n");
        let Err(Unrouted::Unknown(fault)) = table.route(&envelope("spec: {}\nkind: deplyo\n")) else {
            panic!("routed")
        };
        assert_eq!(fault.message, "Unknown handler for kind deplyo");
        assert_eq!(fault.help.as_deref(), Some("did you mean `deploy`?"));
        assert_eq!(fault.expected.as_deref(), Some("one of backup, deploy"));
        assert_eq!((fault.code, fault.place.map(|place| place.line)), ("E0301", Some(2)));
        let Err(Unrouted::Unknown(fault)) = index("{}").route(&envelope("kind: x")) else { panic!("routed") };
        assert_eq!(fault.expected.as_deref(), Some("nothing: the router table has no kinds"));
    }

    #[test]
    fn locks_are_the_rows_and_the_requests_own_or_the_kind() {
        let table = index("plain: h\nhost: {run: h, resource: [\"host/{spec.host}\", all]}\n");
        for (text, keys) in [
            ("kind: plain", vec!["plain"]),
            ("kind: plain\nresource: mine", vec!["mine"]),
            ("kind: host\nspec: {host: web-01}", vec!["all", "host/web-01"]),
            ("kind: host\nspec: {host: web-01}\nresource: mine", vec!["all", "host/web-01", "mine"]),
            ("kind: host\nspec: {host: 7}\nresource: all", vec!["all", "host/7"]),
        ] {
            let envelope = envelope(text);
            let locks = lock_keys(table.route(&envelope).unwrap(), &envelope, Uuid::nil()).unwrap();
            assert_eq!(locks.iter().map(String::as_str).collect::<Vec<_>>(), keys, "{text}");
        }
    }

    #[test]
    fn a_lock_key_that_cannot_be_filled_is_the_requests_fault() {
        let table = index("host: {run: h, resource: \"host/{spec.host}\"}\n");
        for (text, line) in [("kind: host\n", 1), ("kind: host\nspec:\n  host: [a]\n", 3)] {
            let envelope = envelope(text);
            let fault = lock_keys(table.route(&envelope).unwrap(), &envelope, Uuid::nil()).unwrap_err();
            assert_eq!((fault.code, fault.file.as_str()), ("E0302", "requests/a.yml"), "{fault:?}");
            assert_eq!(fault.place.map(|place| place.line), Some(line), "{fault:?}");
        }
    }
}
