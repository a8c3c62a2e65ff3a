//! The request: the envelope that people and agents write, parsed and held to its rules.
//!
//! Owns the envelope's keys and the rule for the names of requests and their folders. It does not look into `spec`
//! (`schema.rs` does, with the document's places) and knows no router table.
//!
//! | code | fault |
//! |---|---|
//! | E0010 | a request's file name breaks the rule for names |
//! | E0011 | a folder's name breaks the rule for names |
//! | E0201 | a value of the wrong type |
//! | E0202 | an unknown top-level key |
//! | E0203 | `kind` is missing |
//! | E0204 | a value breaks a rule of its key |
//! | E0205 | a reserved kind that there is not |
//! | E0290 | well formed, and not yet supported |

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::fields::{self, Codes, Fault, Fields};
use crate::resource::check_key;
use crate::units::parse_timestamp;
use crate::yaml::{self, Document, Limits};

/// The keys of the envelope.
const KEYS: [&str; 10] =
    ["kind", "spec", "id", "resource", "timeout", "not_before", "expires", "idempotency_key", "target", "rerun_of"];

/// Kinds that the dispatcher handles itself; every kind that begins with [`RESERVED`] is kept for it.
pub const RESERVED_KINDS: [&str; 4] = ["dispatch.cancel", "dispatch.pause", "dispatch.resume", "dispatch.resolve"];

/// Those of them that are carried out by now.
const OBEYED_KINDS: [&str; 1] = ["dispatch.resolve"];

/// What reserved kinds begin with.
pub const RESERVED: &str = "dispatch.";

/// The longest kind, in characters.
const KIND_CHARS_MAX: usize = 64;

/// The longest name of a request without its ending, and of a folder, in characters.
const NAME_CHARS_MAX: usize = 128;

/// The longest name of a node, in characters.
const NODE_CHARS_MAX: usize = 64;

const CODES: Codes = Codes { shape: "E0201", unknown: "E0202", value: "E0204" };

/// A request as its file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is to be done.
    pub kind: String,
    /// With what; always a mapping.
    pub spec: Value,
    /// The id that the file names.
    pub id: Option<Uuid>,
    /// A lock key taken besides the router table's own.
    pub resource: Option<String>,
    /// A timeout below the handler's.
    pub timeout: Option<Duration>,
    /// The instant before which it does not start.
    pub not_before: Option<Timestamp>,
    /// The instant past which it ends `expired`.
    pub expires: Option<Timestamp>,
    /// At most one success a kind with this key.
    pub idempotency_key: Option<String>,
    /// The node or labels that it is meant for.
    pub target: Option<Target>,
    /// The request that this one repeats.
    pub rerun_of: Option<Uuid>,
}

/// Whose request it is, where it is not anybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The node of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A node that has all of these labels, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Target {
    /// Whether the node of this name and with these labels is meant.
    pub fn means(&self, node: &str, labels: &BTreeMap<String, String>) -> bool {
        self.node.as_ref().is_none_or(|wanted| wanted == node)
            && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl fmt::Display for Target {
    /// `node web-1`, `a node with zone=eu`, `node web-1 with zone=eu, disk=ssd`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "node {node}")?,
            None => f.write_str("a node")?,
        }
        for (at, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{key}={value}", if at == 0 { " with " } else { ", " })?;
        }
        Ok(())
    }
}

impl Request {
    /// A request of a kind and a spec with nothing else said.
    pub fn new(kind: impl Into<String>, spec: Value) -> Self {
        Self {
            kind: kind.into(),
            spec,
            id: None,
            resource: None,
            timeout: None,
            not_before: None,
            expires: None,
            idempotency_key: None,
            target: None,
            rerun_of: None,
        }
    }
}

/// A request together with the document that it was read from, which knows the places for later diagnostics.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The request.
    pub request: Request,
    /// Its document; `spec` is at the pointer `/spec`.
    pub document: Document,
}

/// Reads a request. `file` is what diagnostics call it.
///
/// # Errors
/// Every fault of the envelope with its place; the first one alone where the text is no YAML that is accepted.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Envelope, Vec<Diagnostic>> {
    let document = yaml::read(file, bytes, Limits::REQUEST).map_err(|fault| vec![fault])?;
    let request = read_envelope(&document)?;
    let refused = not_yet(&request, &document);
    if refused.is_empty() { Ok(Envelope { request, document }) } else { Err(refused) }
}

/// Whether a kind is kept for the dispatcher itself.
pub fn is_reserved(kind: &str) -> bool {
    kind.starts_with(RESERVED)
}

/// Whether a text is a kind: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
pub fn is_kind(text: &str) -> bool {
    is_name(text.as_bytes(), KIND_CHARS_MAX)
}

/// Why a text cannot be the name of a node: it becomes the last part of a ref, `refs/dispatch/nodes/<node>`.
pub fn broken_node(name: &str) -> Option<&'static str> {
    // As git itself reads them: by bytes.
    let ends = |end: &[u8]| name.as_bytes().ends_with(end);
    if !is_name(name.as_bytes(), NODE_CHARS_MAX) {
        Some("is no node's name: letters, digits, `.`, `_` and `-`, 1 to 64 of them, the first a letter or digit")
    } else if name.contains("..") || ends(b".") || ends(b".lock") {
        Some("is no node's name: git takes no `..` in a ref, and neither `.` nor `.lock` at its end")
    } else {
        None
    }
}

/// The kind and id of a file that [`parse`] refuses, as far as they can be read: its record names them.
pub fn hints(file: &str, bytes: &[u8]) -> (Option<String>, Option<Uuid>) {
    let Ok(document) = yaml::read(file, bytes, Limits::REQUEST) else { return (None, None) };
    let kind = document.value().get("kind").and_then(|value| kind(value).ok());
    let id = document.value().get("id").and_then(|value| uuid(value).ok());
    (kind, id)
}

/// The digest by which two specs are told apart: key order does not count.
///
/// # Panics
/// Never: a spec is plain data.
pub fn spec_digest(spec: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let ordered: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
                serde_json::to_value(ordered).expect("plain data")
            }
            Value::Array(list) => list.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    HEXLOWER.encode(&Sha256::digest(sorted(spec).to_string()))
}

fn read_envelope(document: &Document) -> Result<Request, Vec<Diagnostic>> {
    let mut fields = Fields::of(document, "", "a request", CODES).map_err(|fault| vec![fault])?;
    fields.refuse_unknown(&KEYS);
    if !fields.has("kind") {
        fields.push(document.fault_at_value("E0203", "", "`kind` is missing").expected("a line like `kind: deploy`"));
    }
    let request = Request {
        kind: fields
            .read("kind", "a kind: letters, digits, `.`, `_` and `-`, 1 to 64 of them", kind)
            .unwrap_or_default(),
        spec: fields.read("spec", "a mapping", spec).unwrap_or_else(|| Value::Object(Map::new())),
        id: fields.read("id", "a UUID", uuid),
        resource: fields.read("resource", "a lock key such as host/web-01", key),
        timeout: fields.read("timeout", "a duration such as 5m", fields::positive_duration),
        not_before: fields.read("not_before", "a timestamp such as 2026-11-21T08:00:00Z", timestamp),
        expires: fields.read("expires", "a timestamp such as 2026-11-21T08:00:00Z", timestamp),
        idempotency_key: fields.read("idempotency_key", "text such as release-42 (quote a number)", key),
        target: read_target(&mut fields),
        rerun_of: fields.read("rerun_of", "a UUID", uuid),
    };
    if let (Some(start), Some(end)) = (request.not_before, request.expires)
        && end <= start
    {
        fields.fault("expires", "`expires` is not after `not_before`: the request could never run");
    }
    if is_reserved(&request.kind) && !RESERVED_KINDS.contains(&request.kind.as_str()) {
        let message = format!("kinds that begin with `{RESERVED}` are reserved, and there is no `{}`", request.kind);
        let fault = document
            .fault_at_value("E0205", "/kind", message)
            .expected(format!("one of {}", RESERVED_KINDS.join(", ")));
        fields.push(fault.help_if(did_you_mean(&request.kind, RESERVED_KINDS)));
    }
    if fields.is_sound() { Ok(request) } else { Err(fields.into_faults()) }
}

/// What is well formed and not carried out yet. To bring a feature, delete its line here.
fn not_yet(request: &Request, document: &Document) -> Vec<Diagnostic> {
    let reserved = is_reserved(&request.kind) && !OBEYED_KINDS.contains(&request.kind.as_str());
    [(reserved, "/kind", format!("the kind `{}`", request.kind))]
        .into_iter()
        .filter(|(asked, ..)| *asked)
        .map(|(_, pointer, what)| {
            document.fault_at_key("E0290", pointer, format!("not yet: {what} is not supported by this version"))
        })
        .collect()
}

fn read_target(fields: &mut Fields<'_>) -> Option<Target> {
    fields.nested("target", |target| {
        target.refuse_unknown(&["node", "labels"]);
        let mut labels = BTreeMap::new();
        let node = target.read("node", "a node's name", node);
        target.nested("labels", |map| {
            for key in map.keys() {
                labels.extend(map.read(key, "text (quote a number)", label).map(|value| (key.to_owned(), value)));
            }
        });
        if target.is_sound() && node.is_none() && labels.is_empty() {
            target.fault_here("`target` names neither a `node` nor any `labels`");
        }
        Target { node, labels }
    })
}

/// The name of a node.
///
/// # Errors
/// It is no text, or breaks the rule for such names.
pub fn node(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    broken_node(text).map_or_else(|| Ok(text.to_owned()), |rule| Err(Fault::rule(rule)))
}

/// The value of a label.
///
/// # Errors
/// It is no text of one printable line.
pub fn label(value: &Value) -> Result<String, Fault> {
    fields::line(NODE_CHARS_MAX)(value)
}

/// Whose a file is that reads as a request up to there, whatever else is wrong with it: nobody else judges it.
pub fn target_of(file: &str, bytes: &[u8]) -> Option<Target> {
    // Most name none, and a text that names one holds the word, or spells it with escapes.
    if !bytes.contains(&b'\\') && !bytes.windows(6).any(|word| word == b"target") {
        return None;
    }
    let document = yaml::read(file, bytes, Limits::REQUEST).ok()?;
    let mut fields = Fields::of(&document, "", "a request", CODES).ok()?;
    read_target(&mut fields).filter(|_| fields.is_sound())
}

fn kind(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if is_kind(text) { Ok(text.to_owned()) } else { Err(Fault::rule("breaks the rule for kinds")) }
}

fn spec(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(_) => Ok(value.clone()),
        _ => Err(Fault::Shape),
    }
}

fn uuid(value: &Value) -> Result<Uuid, Fault> {
    let text = fields::text(value)?;
    // Uuid reads four notations; files hold to the one with hyphens, so that one id has one spelling.
    let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    uuid.ok_or_else(|| Fault::rule("is no UUID like 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31"))
}

fn key(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    check_key(text).map_err(Fault::rule)?;
    Ok(text.to_owned())
}

fn timestamp(value: &Value) -> Result<Timestamp, Fault> {
    Ok(parse_timestamp(fields::text(value)?)?)
}

/// The name of a request's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The whole name.
    pub name: String,
    /// The name without `.yml` or `.yaml`.
    pub stem: String,
}

/// Why an entry's name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A file's name, shown with everything odd escaped.
    #[error("the file name `{0}` breaks the rule for names")]
    File(String),
    /// A folder's name, shown with everything odd escaped.
    #[error("the folder name `{0}` breaks the rule for names")]
    Folder(String),
}

impl NameError {
    /// The diagnostic of it; `folder` is where the entry lies, such as `requests`.
    pub fn diagnostic(&self, folder: &str) -> Diagnostic {
        let (code, name) = match self {
            Self::File(name) => ("E0010", name),
            Self::Folder(name) => ("E0011", name),
        };
        Diagnostic::new(code, format!("{folder}/{name}"), self.to_string())
            .expected("letters, digits, `.`, `_` and `-`, at most 128, the first a letter or digit; requests end in .yml or .yaml")
    }
}

/// Reads the name of a file in the inbox. `None` means that it is left alone: a dotfile, or no `.yml` or `.yaml`.
///
/// # Errors
/// The name ends like a request's and breaks the rule `[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.ya?ml`.
pub fn file_name(name: &[u8]) -> Result<Option<FileName>, NameError> {
    let stem = name.strip_suffix(b".yml").or_else(|| name.strip_suffix(b".yaml"));
    let Some(stem) = stem.filter(|_| !name.starts_with(b".")) else { return Ok(None) };
    if !is_name(stem, NAME_CHARS_MAX) {
        return Err(NameError::File(shown(name)));
    }
    Ok(Some(FileName { name: shown(name), stem: shown(stem) }))
}

/// Reads the name of a folder in the inbox. `None` means that it is left alone: it begins with a dot.
///
/// # Errors
/// The name breaks the rule `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
pub fn folder_name(name: &[u8]) -> Result<Option<String>, NameError> {
    match name {
        [b'.', ..] => Ok(None),
        _ if is_name(name, NAME_CHARS_MAX) => Ok(Some(shown(name))),
        _ => Err(NameError::Folder(shown(name))),
    }
}

fn is_name(name: &[u8], chars_max: usize) -> bool {
    name.len() <= chars_max
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A name with control characters and everything outside ASCII escaped.
fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(text: &str) -> Vec<(&'static str, String)> {
        let faults = parse("requests/a.yml", text.as_bytes()).map(|envelope| envelope.request).unwrap_err();
        faults.into_iter().map(|fault| (fault.code, fault.message)).collect()
    }

    #[test]
    fn names_of_nodes_are_safe_in_a_ref() {
        for good in ["a", "web-1", "Web_01.example.org", &"x".repeat(64)] {
            assert_eq!(broken_node(good), None, "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "a..b", "a.", "a.lock", "\u{fc}", "a~1", &"x".repeat(65)] {
            assert!(broken_node(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn kind_and_spec_are_a_whole_request() {
        let envelope = parse("a.yml", b"kind: deploy\nspec: {target: web-01}\n").unwrap();
        assert_eq!(envelope.request, Request::new("deploy", json!({"target": "web-01"})));
        for text in ["kind: deploy\n", "kind: deploy\nspec:\n", "kind: deploy\nspec: {}\n"] {
            assert_eq!(parse("a.yml", text.as_bytes()).unwrap().request.spec, json!({}), "{text}");
        }
    }

    #[test]
    fn every_key_is_read() {
        let text = "kind: deploy\nid: 0198C0DE-7a10-7c44-9b1e-2f6d0a8e5b31\nresource: host/web-01\ntimeout: 5m\n\
                    not_before: 2026-11-21T08:00:00Z\nexpires: 2026-11-22T10:00:00+02:00\nidempotency_key: release-42\n\
                    rerun_of: 0198c0de-0000-7000-8000-000000000001\n";
        let request = parse("a.yml", text.as_bytes()).unwrap().request;
        assert_eq!(request.id.unwrap().to_string(), "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31");
        assert_eq!(request.resource.as_deref(), Some("host/web-01"));
        assert_eq!(request.timeout, Some(Duration::from_mins(5)));
        assert_eq!(
            request.expires.unwrap().duration_since(request.not_before.unwrap()),
            jiff::SignedDuration::from_hours(24)
        );
        assert_eq!(request.idempotency_key.as_deref(), Some("release-42"));
        assert_eq!(request.rerun_of.unwrap().to_string(), "0198c0de-0000-7000-8000-000000000001");
    }

    #[test]
    fn faults_of_the_envelope() {
        for (text, code, part) in [
            ("[]", "E0201", "a request cannot be a list"),
            ("deploy", "E0201", "a request cannot be text"),
            ("spec: {}", "E0203", "`kind` is missing"),
            ("kind: deploy\nSpec: {}", "E0202", "unknown key `Spec`"),
            ("kind: de ploy", "E0204", "`kind`: breaks the rule for kinds"),
            ("kind: 7", "E0201", "`kind` cannot be a number"),
            ("kind:", "E0201", "`kind` cannot be empty"),
            ("kind: -x", "E0204", "breaks the rule for kinds"),
            ("kind: déploy", "E0204", "breaks the rule for kinds"),
            ("kind: a\nspec: [1]", "E0201", "`spec` cannot be a list"),
            ("kind: a\nid: 42", "E0201", "`id` cannot be a number"),
            ("kind: a\nid: 0198c0de7a107c449b1e2f6d0a8e5b31", "E0204", "is no UUID"),
            ("kind: a\nid:", "E0201", "`id` cannot be empty"),
            ("kind: a\nresource: ''", "E0204", "must not be empty"),
            ("kind: a\nresource: \"a\\tb\"", "E0204", "printable characters only"),
            ("kind: a\ntimeout: 5", "E0204", "`5` has no unit"),
            ("kind: a\ntimeout: 0s", "E0204", "longer than nothing"),
            ("kind: a\nexpires: 2026-11-21T08:00:00", "E0204", "has no offset"),
            ("kind: a\nidempotency_key: 42", "E0201", "cannot be a number"),
            ("kind: a\nnot_before: 2026-11-21T08:00:00Z\nexpires: 2026-11-21T08:00:00Z", "E0204", "could never run"),
            ("kind: dispatch.cancle", "E0205", "there is no `dispatch.cancle`"),
            ("kind: a\ntarget: {}", "E0204", "neither a `node` nor any `labels`"),
            ("kind: a\ntarget: {labels: {}}", "E0204", "neither a `node` nor any `labels`"),
            ("kind: a\ntarget: {node: a b}", "E0204", "is no node's name"),
            ("kind: a\ntarget: web-1", "E0201", "`target` cannot be text"),
            ("kind: a\ntarget: {host: x}", "E0202", "unknown key `host`"),
            ("kind: a\ntarget: {labels: {zone: 1}}", "E0201", "`zone` cannot be a number"),
            ("kind: a\nrerun_of: x", "E0204", "is no UUID"),
        ] {
            let found = faults(text);
            assert!(found.len() == 1 && found[0].0 == code && found[0].1.contains(part), "{text:?}: {found:?}");
        }
        let long = format!("kind: {}", "k".repeat(65));
        assert_eq!(faults(&long)[0].0, "E0204");
        assert!(parse("a.yml", &long.as_bytes()[..long.len() - 1]).is_ok());
    }

    #[test]
    fn unknown_keys_say_what_was_meant_and_all_faults_come_at_once() {
        let faults = parse("a.yml", b"knd: deploy\ntimeout: 5\n").map(|envelope| envelope.request).unwrap_err();
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        assert_eq!(codes, ["E0202", "E0203", "E0204"]);
        assert_eq!(faults[0].help.as_deref(), Some("did you mean `kind`?"));
        assert!(faults[0].expected.as_deref().unwrap().starts_with("one of kind, spec, id"));
        assert_eq!(faults[2].place.map(|place| (place.line, place.column)), Some((2, 10)));
    }

    #[test]
    fn what_is_not_yet_supported_is_refused_by_name() {
        for kind in RESERVED_KINDS.iter().filter(|kind| !OBEYED_KINDS.contains(kind)) {
            let found = faults(&format!("kind: {kind}"));
            let part = format!("not yet: the kind `{kind}`");
            assert!(found.len() == 1 && found[0].0 == "E0290" && found[0].1.starts_with(&part), "{found:?}");
        }
        assert!(is_reserved("dispatch.pause") && !is_reserved("dispatcher") && !is_reserved("dispatch"));
    }

    #[test]
    fn a_target_means_a_node_by_name_and_labels() {
        let target = |text: &str| parse("a.yml", format!("kind: a\ntarget: {text}").as_bytes()).unwrap().request.target;
        let labels: BTreeMap<String, String> =
            [("zone", "eu"), ("disk", "ssd")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        for (text, shown, means) in [
            ("{node: web-1}", "node web-1", true),
            ("{node: web-2}", "node web-2", false),
            ("{labels: {zone: eu}}", "a node with zone=eu", true),
            ("{labels: {zone: eu, disk: ssd}}", "a node with disk=ssd, zone=eu", true),
            ("{labels: {zone: us}}", "a node with zone=us", false),
            ("{labels: {rack: '7'}}", "a node with rack=7", false),
            ("{node: web-1, labels: {zone: us}}", "node web-1 with zone=us", false),
            ("{node: web-2, labels: {zone: eu}}", "node web-2 with zone=eu", false),
        ] {
            let target = target(text).expect(text);
            assert_eq!((target.to_string().as_str(), target.means("web-1", &labels)), (shown, means), "{text}");
        }
        assert_eq!(parse("a.yml", b"kind: a\n").unwrap().request.target, None);
    }

    #[test]
    fn whose_a_request_is_can_be_read_where_the_rest_is_wrong() {
        let whose = |text: &str| target_of("a.yml", text.as_bytes()).map(|target| target.to_string());
        assert_eq!(whose("kind: 7\nnope: 1\ntarget: {node: web-1}\n").as_deref(), Some("node web-1"));
        assert_eq!(whose("kind: a\n\"\\x74arget\": {node: web-1}\n").as_deref(), Some("node web-1"), "an escape");
        assert_eq!(whose("kind: a\nspec: {target: web-1}\n"), None);
        assert_eq!(whose("kind: a\ntarget: {host: web-1}\n"), None, "nobody knows whose it is: anybody rejects it");
        assert_eq!(whose("{target"), None);
    }

    #[test]
    fn a_refused_request_still_hints_at_its_kind_and_id() {
        let text = b"kind: deploy\nid: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\nnope: 1\n";
        let (kind, id) = hints("a.yml", text);
        assert_eq!((kind.as_deref(), id.is_some()), (Some("deploy"), true));
        assert_eq!(hints("a.yml", b"kind: a b\nid: 7\n"), (None, None));
        assert_eq!(hints("a.yml", b"{"), (None, None));
    }

    #[test]
    fn names_of_files() {
        let stem = |name: &[u8]| file_name(name).map(|name| name.map(|name| name.stem));
        assert_eq!(stem(b"a.yml"), Ok(Some("a".into())));
        assert_eq!(stem(b"A-1_b.c.yaml"), Ok(Some("A-1_b.c".into())));
        assert_eq!(stem(b"a.yml.yml"), Ok(Some("a.yml".into())));
        for ignored in [&b".gitkeep"[..], b".a.yml", b".yml", b"README.md", b"a.YML", b"a", b"", b"yml", b"a.yml~"] {
            assert_eq!(stem(ignored), Ok(None), "{}", ignored.escape_ascii());
        }
        for bad in [&b"-a.yml"[..], b"a b.yml", b"a\n.yml", b"\xff.yml", "é.yml".as_bytes(), b"_a.yaml", b"a/b.yml"] {
            assert!(matches!(stem(bad), Err(NameError::File(_))), "{}", bad.escape_ascii());
        }
        let longest = [&[b'a'; 128][..], b".yaml"].concat();
        assert!(stem(&longest).is_ok_and(|stem| stem.is_some()));
        assert!(stem(&[b"a", &longest[..]].concat()).is_err());
        let fault = file_name(b"a\n\x1b.yml").unwrap_err().diagnostic("requests");
        assert_eq!((fault.code, fault.file.as_str()), ("E0010", "requests/a\\n\\x1b.yml"));
    }

    #[test]
    fn names_of_folders() {
        assert_eq!(folder_name(b"team-a"), Ok(Some("team-a".into())));
        assert_eq!(folder_name(b".hidden"), Ok(None));
        for bad in [&b"a b"[..], b"", b"-x", &[b'a'; 129]] {
            assert!(folder_name(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
