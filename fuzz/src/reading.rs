//! The files that are YAML: read the same by every parser, the same however they are spelled, or refused at a place.

use codex_dispatch::config::{self, RepoConfig};
use codex_dispatch::record::{emit, from_handler};
use codex_dispatch::request;
use codex_dispatch::route::{self, Index};
use codex_dispatch::yaml::{self, Document, Limits};
use serde_json::Value;
use uuid::Uuid;

use super::shown;

/// Places are looked up in this many values of a document.
const VALUES_LOOKED_AT: usize = 300;

/// Strict YAML: bounded, and what is accepted means the same to other readers and after being written out.
pub fn yaml(bytes: &[u8]) {
    let document = match yaml::read("f.yml", bytes, Limits::REQUEST) {
        Ok(document) => document,
        Err(fault) => return shown::fault(&fault, bytes),
    };
    let value = document.value();
    let (nodes, depth) = size(value);
    assert!(nodes <= 10_000 && depth <= 64, "{nodes} nodes, {depth} deep");

    let json = serde_json::to_string(value).expect("JSON");
    assert_eq!(&serde_json::from_str::<Value>(&json).expect("JSON"), value);
    assert_eq!(again(&document).value(), value);

    let mut left = VALUES_LOOKED_AT;
    places(&document, value, "", bytes, &mut left);
}

/// What a document says, written out by the record's writer and read again.
fn again(document: &Document) -> Document {
    let written = emit::yaml(document.value());
    yaml::read("f.yml", written.as_bytes(), Limits::REPOSITORY).unwrap_or_else(|fault| panic!("{fault}\nin {written}"))
}

/// The same document in the record's spelling, where that stays within the limits of a file.
fn respelled(bytes: &[u8], limits: Limits) -> Option<Vec<u8>> {
    let document = yaml::read("f.yml", bytes, limits).ok()?;
    let written = emit::yaml(document.value()).into_bytes();
    (written.len() <= limits.bytes_max).then_some(written)
}

fn places(document: &Document, value: &Value, pointer: &str, bytes: &[u8], left: &mut usize) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    shown::fault(&document.fault_at_value("E0000", pointer, "m"), bytes);
    shown::fault(&document.fault_at_key("E0000", pointer, "m"), bytes);
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                places(document, item, &format!("{pointer}/{at}"), bytes, left);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                places(document, item, &codex_dispatch::fields::pointer(pointer, key), bytes, left);
            }
        }
        _ => {}
    }
}

/// Keys and values, and levels of lists and mappings.
fn size(value: &Value) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Value::Array(items) => items.iter().map(size).collect(),
        Value::Object(entries) => entries.values().map(size).map(|(nodes, depth)| (nodes + 1, depth)).collect(),
        _ => return (1, 0),
    };
    let deepest = inner.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (1 + inner.iter().map(|(nodes, _)| nodes).sum::<usize>(), deepest + 1)
}

/// A request's envelope.
pub fn request(bytes: &[u8]) {
    let hints = request::hints("f.yml", bytes);
    let envelope = match request::parse("f.yml", bytes) {
        Ok(envelope) => envelope,
        Err(faults) => return shown::faults(&faults, bytes),
    };
    let read = envelope.request;
    assert!(request::is_kind(&read.kind) && read.spec.is_object());
    assert!(!read.timeout.is_some_and(|timeout| timeout.is_zero()), "no time at all");
    assert_eq!(hints, (Some(read.kind.clone()), read.id));
    if let Some(written) = respelled(bytes, Limits::REQUEST) {
        assert_eq!(request::parse("f.yml", &written).expect("the same request").request, read);
    }
}

/// The router table, and the lock keys that its rows give.
pub fn index(bytes: &[u8]) {
    let config = RepoConfig::default();
    let index = match Index::parse("f.yml", bytes, &config) {
        Ok(index) => index,
        Err(fault) => return shown::fault(&fault, bytes),
    };
    let spec = b"kind: k\nspec: {a: x, b: 1, name: \"a/b\", list: [], host: web}\n";
    let mut envelope = request::parse("r.yml", spec).expect("a request");
    let mut table_faults = 0;
    for (kind, row) in index.rows() {
        let row = match row {
            Ok(row) => row,
            Err(faults) => {
                table_faults += faults.len();
                if table_faults < 50 {
                    shown::faults(faults, bytes);
                }
                continue;
            }
        };
        assert!(request::is_kind(kind) && !request::is_reserved(kind));
        assert!(!row.run.is_empty());
        kind.clone_into(&mut envelope.request.kind);
        assert_eq!(index.route(&envelope), Ok(row));
        match route::lock_keys(row, &envelope, Uuid::nil()) {
            Ok(keys) => keys.iter().for_each(|key| shown::harmless(key)),
            Err(fault) => shown::fault(&fault, spec),
        }
    }
    if index.faults().next().is_none()
        && let Some(written) = respelled(bytes, Limits::REPOSITORY)
    {
        assert_eq!(Index::parse("f.yml", &written, &config), Ok(index));
    }
}

/// The host file.
pub fn host_file(bytes: &[u8]) {
    let host = match codex_dispatch::host_file::parse("f.yml", bytes) {
        Ok(host) => host,
        Err(faults) => return shown::faults(&faults, bytes),
    };
    let paths = host.read.values().chain(host.write.values()).flatten();
    for path in paths {
        assert!(path.is_absolute() && path.components().all(|part| part.as_os_str() != ".."), "{}", path.display());
    }
    if let Some(written) = respelled(bytes, Limits::REPOSITORY) {
        assert_eq!(codex_dispatch::host_file::parse("f.yml", &written), Ok(host));
    }
}

/// codex.repo.yaml.
pub fn config(bytes: &[u8]) {
    let read = match config::parse("f.yml", bytes) {
        Ok(read) => read,
        Err(faults) => return shown::faults(&faults, bytes),
    };
    if !read.warnings.is_empty() {
        shown::faults(&read.warnings, bytes);
    }
    let folders = read.config.folders();
    for (at, folder) in folders.iter().enumerate() {
        let steps: Vec<&str> = folder.split('/').collect();
        assert!(steps.iter().all(|step| !matches!(*step, "" | "." | "..")), "{folder}");
        assert!(!steps.iter().any(|step| step.eq_ignore_ascii_case(".git")), "{folder}");
        for other in &folders[at + 1..] {
            let (one, other) = (format!("{folder}/"), format!("{other}/"));
            assert!(!one.starts_with(&other) && !other.starts_with(&one), "{folders:?}");
        }
    }
    if let Some(branch) = &read.config.branch {
        assert!(git2::Branch::name_is_valid(branch).expect("a name without NUL"), "git refuses the branch {branch:?}");
    }
    shown::harmless(&read.config.commit_suffix);
    if let Some(written) = respelled(bytes, Limits::REPOSITORY) {
        assert_eq!(config::parse("f.yml", &written).map(|read| read.config), Ok(read.config));
    }
}

/// What a handler leaves as `status.yml` and as its result.
pub fn handler_status(bytes: &[u8]) {
    let status = from_handler::read_handler_status(bytes);
    let mut words = status.warnings.clone();
    if let Ok(value) = from_handler::read_result(bytes) {
        let written = emit::yaml(&value);
        let read = yaml::read("f.yml", written.as_bytes(), Limits::REPOSITORY);
        assert_eq!(read.unwrap_or_else(|fault| panic!("{fault}\nin {written}")).value(), &value);
    } else if let Err(why) = from_handler::read_result(bytes) {
        words.push(why);
    }
    for word in words {
        assert!(word.len() < 2000, "{} bytes of warning", word.len());
    }
    let written = emit::yaml(&Value::Object(status.rest.clone()));
    let read = yaml::read("f.yml", written.as_bytes(), Limits::REPOSITORY);
    assert_eq!(read.unwrap_or_else(|fault| panic!("{fault}\nin {written}")).value(), &Value::Object(status.rest));
}
