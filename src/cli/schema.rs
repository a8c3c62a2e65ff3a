//! `dispatch schema`: one JSON Schema over whole requests of all kinds, for editors.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::asked;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::admit::Kind;
use crate::bundle::{self, Described};
use crate::contract::Contract;

/// Where a repository may keep it for everybody's editor.
pub const TRACKED: &str = "schemas/dispatch/requests.schema.json";
/// Where `new` keeps it otherwise, in the git directory.
const OWN: &str = "dispatch-requests.schema.json";

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch schema                    every kind\n  dispatch schema deploy             requests of one kind\n  \
    dispatch schema -o schemas/dispatch/requests.schema.json\n                                     for everybody's editor; `dispatch new` names it then\n  \
    dispatch schema --check schemas/dispatch/requests.schema.json\n                                     exit 1 where that file is not what it would write: for CI\n\n\
    An editor with the YAML language server takes it from the first line that `dispatch new` writes, or from its settings:\n  \
    \"yaml.schemas\": {\"schemas/dispatch/requests.schema.json\": \"requests/**/*.yml\"}"
)]
pub struct SchemaArgs {
    /// One kind alone
    #[arg(value_name = "KIND")]
    kind: Option<String>,

    /// Write it to FILE (relative to -C), whole or not at all
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Say whether FILE is up to date
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "output")]
    check: Option<PathBuf>,
}

/// Answers `schema`.
pub fn answer(place: &PlaceArgs, args: &SchemaArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let contract = asked::contract_here(&home)?;
    let text = match &args.kind {
        None => text(&of_all(&contract)),
        Some(name) => text(&bundle::bundle(&[described(name, asked::kind(&contract, name)?)], false)),
    };
    if let Some(file) = &args.check {
        let there = fs::read_to_string(place.repo.join(file)).unwrap_or_default();
        if there == text {
            return Ok(Exit::Done);
        }
        let failure = Failure::new(Exit::Failed, format!("`{}` is not up to date", file.display()));
        let kind = args.kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
        return Err(failure.hint(format!("{} schema{kind} -o {}", render::program(), file.display())));
    }
    match &args.output {
        None => render::print_bytes(text.as_bytes()),
        Some(file) => {
            put(&place.repo.join(file), &text)?;
            render::print(file.display().to_string());
        }
    }
    Ok(Exit::Done)
}

/// The schema over all kinds that can be used.
pub fn of_all(contract: &Contract) -> Value {
    let kinds = contract.rules.kinds.iter();
    let usable: Vec<Described<'_>> =
        kinds.filter_map(|(name, kind)| Some(described(name, kind.as_ref().ok()?))).collect();
    bundle::bundle(&usable, true)
}

fn described<'a>(name: &'a str, kind: &'a Kind) -> Described<'a> {
    Described {
        kind: name,
        description: kind.row.description.as_deref(),
        schema: kind.schema.as_ref().map(|schema| schema.value()),
        takes_nothing: kind.schema.as_ref().is_none_or(|schema| schema.validate_value(&json!({})).is_empty()),
    }
}

/// What the first line of a request names, as its file sees it from `folder`, an absolute path. Where the repository keeps
/// no such schema one is written into the git directory, anew each time.
pub fn for_editors(home: &Home, contract: &Contract, folder: &Path) -> Option<String> {
    let named = home.checkout.work_tree.as_ref()?;
    let top = named.canonicalize().ok()?;
    let tracked = top.join(TRACKED);
    let schema = if tracked.is_file() {
        tracked
    } else {
        let own = home.checkout.git_dir.canonicalize().ok()?.join(OWN);
        if let Err(failure) = put(&own, &text(&of_all(contract))) {
            tracing::debug!("{}", failure.message);
        }
        own
    };
    // From within the work tree by a way that leads there in every clone.
    let from = folder.strip_prefix(&top).or_else(|_| folder.strip_prefix(named));
    match (schema.strip_prefix(&top), from) {
        (Ok(below), Ok(from)) => Some(format!("{}{}", "../".repeat(from.components().count()), below.display())),
        _ => Some(format!("file://{}", schema.display())),
    }
}

fn text(schema: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(schema).expect("plain data"))
}

/// Writes a file that appears whole, with the folders above it.
fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| Failure::new(Exit::Unwritable, format!("writing `{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use uuid::Uuid;

    use super::*;
    use crate::admit::{self, Verdict};
    use crate::contract::source::Folder;
    use crate::contract::{self, Compiled};
    use crate::policy::HostFile;

    /// Right requests of this repository's own kinds.
    fn right() -> Vec<Value> {
        let id = "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31";
        vec![
            json!({"kind": "hello"}),
            json!({"kind": "hello", "spec": {"name": "Ada"}, "timeout": "5s", "id": id, "rerun_of": id}),
            json!({"kind": "deploy", "spec": {"source": "site", "target": "/srv/www", "keep": 3}, "resource": "host/a"}),
            json!({
                "kind": "backup",
                "spec": {"source": "/srv/www", "target": "/var/backups", "name": "www", "keep": 7, "exclude": ["*.tmp"]},
                "not_before": "2026-11-21T08:00:00Z",
                "expires": "2999-11-22T08:00:00+01:00",
                "idempotency_key": "www-42",
                "target": {"node": "web-1", "labels": {"zone": "eu"}},
            }),
            json!({"kind": "dispatch.resolve", "id": id, "spec": {"id": id, "as": "failed", "note": "looked"}}),
        ]
    }

    /// A value and everything that goes wrong when one of its parts is another value, or is not there, or has another beside it.
    fn mutations(value: &Value) -> Vec<Value> {
        let others = [
            json!(null),
            json!(7),
            json!(-1.5),
            json!(""),
            json!("../x"),
            json!("5m"),
            json!([]),
            json!([7]),
            json!({}),
            json!(true),
        ];
        let mut all: Vec<Value> = others.to_vec();
        if let Value::Object(entries) = value {
            let with = |key: &str, value: Option<Value>| {
                let mut entries: Map<String, Value> = entries.clone();
                match value {
                    Some(value) => drop(entries.insert(key.to_owned(), value)),
                    None => drop(entries.remove(key)),
                }
                Value::Object(entries)
            };
            all.push(with("unheard_of", Some(json!("x"))));
            for (key, inner) in entries {
                all.push(with(key, None));
                all.extend(mutations(inner).into_iter().map(|inner| with(key, Some(inner))));
            }
        }
        all
    }

    #[test]
    fn an_editor_hears_of_requests_what_check_says() {
        let tree = Folder::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let contract = contract::load_from(&tree, &mut Compiled::default()).unwrap();
        let schema = of_all(&contract);
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for whole in right() {
            for request in std::iter::once(whole.clone()).chain(mutations(&whole)) {
                let text = request.to_string();
                let verdict = admit::admit(&contract.rules, &HostFile::default(), "a.yml", text.as_bytes(), Uuid::nil);
                // What the host file has to say no schema knows.
                let faults = match &verdict {
                    Verdict::Rejected(rejection) if rejection.reason != "not_granted" => &rejection.faults[..],
                    _ => &[],
                };
                *if faults.is_empty() { &mut accepted } else { &mut refused } += 1;
                let told = validator.is_valid(&request);
                assert_eq!(told, faults.is_empty(), "{text}: {faults:?}");
            }
        }
        assert!(accepted > 40 && refused > 300, "{accepted} {refused}");
    }
}
