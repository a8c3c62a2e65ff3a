//! `dispatch kinds`: what this repository handles, what each kind wants in its spec, and whether this host would run it. For people,
//! and for agents that write requests.

use clap::Args;
use serde_json::{Map, Value, json};

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::admit::Kind;
use crate::contract::source::{Commit, Folder};
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::job::{Level, Network, Row};
use crate::policy::{self, HostFile};
use crate::request;
use crate::units::format_duration;

/// Arguments of `kinds`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch kinds\n  dispatch kinds --json    with every schema\n\n\
    SPEC shows the keys of `spec` by their schema; `?` marks those that may be left out.")]
pub struct KindsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The longest description in the table, in characters.
const DESCRIPTION_CHARS: usize = 48;
/// Keys of a spec that the table shows.
const KEYS_SHOWN: usize = 8;

/// Answers `kinds`.
pub fn answer(place: &PlaceArgs, args: &KindsArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let contract = load(&home)?;
    let kinds: Vec<Listed<'_>> = listed(&contract, &home.host.file);
    if args.json {
        let kinds: Vec<Value> = kinds.iter().map(Listed::to_json).collect();
        render::print_json(&json!({ "v": 1, "kinds": kinds }));
    } else if kinds.is_empty() {
        render::print("no kinds: the router table handlers/index.yml has no rows");
    } else {
        let rows: Vec<Vec<String>> = kinds.iter().map(Listed::cells).collect();
        render::print_table(&["KIND", "STATE", "DELIVERY", "TIMEOUT", "NEEDS", "SCHEMA", "DESCRIPTION", "SPEC"], &rows);
        let faults = contract.faults();
        for fault in &faults {
            render::print(format!("\n{fault}"));
        }
        render::explained_by(&faults.first().map(ToString::to_string).unwrap_or_default());
    }
    Ok(Exit::Done)
}

/// What the mainline says, or the work tree where nothing is committed yet.
fn load(home: &Home) -> Result<Contract, Failure> {
    let repo = home.reader()?;
    let mut compiled = Compiled::default();
    let loaded = match (repo.known_tip(), &home.checkout.work_tree) {
        (Some(tip), _) => contract::load_from(&Commit::new(&repo, tip), &mut compiled),
        (None, Some(top)) => contract::load_from(&Folder::open(top)?, &mut compiled),
        (None, None) => contract::load_from(&Commit::new(&repo, repo.resolve("HEAD")?), &mut compiled),
    };
    loaded.map_err(|error| match error {
        ContractError::Repo(error) => error.into(),
        faults @ ContractError::Faults(_) => Failure::new(Exit::Configuration, faults.to_string()),
    })
}

/// One kind as it is shown.
struct Listed<'a> {
    name: &'a str,
    row: Option<&'a Row>,
    kind: Option<&'a Kind>,
    timeout: Option<String>,
    /// The repository's faults, which hold it.
    faults: &'a [Diagnostic],
    /// What the host file would have to say more.
    not_granted: Vec<Diagnostic>,
}

fn listed<'a>(contract: &'a Contract, host: &HostFile) -> Vec<Listed<'a>> {
    let rows = contract.rules.index.rows();
    rows.map(|(name, row)| {
        let (row, faults) = match row {
            Ok(row) => (Some(row), &[][..]),
            Err(faults) => (None, faults),
        };
        let (kind, faults) = match contract.rules.kinds.get(name) {
            Some(Ok(kind)) => (Some(&**kind), faults),
            Some(Err(faults)) => (None, &faults[..]),
            None => (None, faults),
        };
        let (mut timeout, mut not_granted) = (row.map(|row| row.timeout.unwrap_or(Row::TIMEOUT)), Vec::new());
        // The plainest request there is of this kind.
        let plain = request::parse("request.yml", format!("kind: {}\n", json!(name)).as_bytes());
        if let (Some(row), Ok(envelope)) = (row, plain) {
            match policy::permit(row, &envelope, host) {
                Ok(grant) => timeout = Some(grant.limits.timeout),
                Err(refusals) => not_granted.extend(refusals.into_iter().map(|refusal| refusal.diagnostic)),
            }
        }
        Listed { name, row, kind, timeout: timeout.map(format_duration), faults, not_granted }
    })
    .collect()
}

impl Listed<'_> {
    fn state(&self) -> String {
        match (self.faults.first(), self.not_granted.is_empty()) {
            (Some(fault), _) => format!("held: {}", fault.code),
            (None, true) => "ok".to_owned(),
            (None, false) => "not granted".to_owned(),
        }
    }

    fn schema_path(&self) -> Option<&str> {
        let named = self.row.and_then(|row| row.schema.as_deref());
        self.kind.and_then(|kind| kind.schema.as_ref()).map(|schema| schema.file()).or(named)
    }

    fn schema(&self) -> Option<&Value> {
        self.kind.and_then(|kind| kind.schema.as_ref()).map(|schema| schema.value())
    }

    fn cells(&self) -> Vec<String> {
        let text = |value: Option<&str>| value.map_or_else(|| "-".to_owned(), str::to_owned);
        let needs = self.row.map(needs).unwrap_or_default();
        vec![
            self.name.to_owned(),
            self.state(),
            text(self.row.map(delivery).as_deref()),
            text(self.timeout.as_deref()),
            if needs.is_empty() { "-".to_owned() } else { needs.join(" ") },
            text(self.schema_path()),
            self.row.and_then(|row| row.description.as_deref()).map_or_else(|| "-".to_owned(), shortened),
            self.schema().map_or_else(|| "{…}".to_owned(), spec_hint),
        ]
    }

    fn to_json(&self) -> Value {
        let asks = self.row.map(|row| {
            let sandbox = &row.sandbox;
            json!({
                "level": sandbox.level,
                "network": sandbox.network,
                "read": sandbox.read,
                "write": sandbox.write,
                "secrets": row.secrets,
            })
        });
        json!({
            "kind": self.name,
            "description": self.row.and_then(|row| row.description.as_ref()),
            "run": self.row.map(|row| &row.run),
            "delivery": self.row.map(|row| row.delivery),
            "timeout": self.timeout,
            "state": match (self.faults.is_empty(), self.not_granted.is_empty()) {
                (false, _) => "held",
                (true, false) => "not_granted",
                (true, true) => "ok",
            },
            "faults": self.faults,
            "not_granted": self.not_granted,
            "needs": asks,
            "schema_path": self.schema_path(),
            "schema": self.schema(),
            "spec_hint": self.schema().map(spec_hint),
        })
    }
}

fn delivery(row: &Row) -> String {
    json!(row.delivery).as_str().unwrap_or_default().to_owned()
}

/// What a row asks of the host beyond what every kind has.
fn needs(row: &Row) -> Vec<String> {
    let mut needs = Vec::new();
    if row.sandbox.level != Level::Isolated {
        needs.push(format!("level:{}", row.sandbox.level.as_str()));
    }
    if row.sandbox.network != Network::None {
        needs.push("network".to_owned());
    }
    needs.extend(row.sandbox.read.iter().map(|path| format!("read:{}", path.display())));
    needs.extend(row.sandbox.write.iter().map(|path| format!("write:{}", path.display())));
    needs.extend(row.secrets.iter().map(|name| format!("secret:{name}")));
    needs
}

/// The first line, cut to what a table can take.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= DESCRIPTION_CHARS {
        return line.to_owned();
    }
    let head: String = line.chars().take(DESCRIPTION_CHARS - 1).collect();
    format!("{}…", head.trim_end())
}

/// The keys of a spec with their types, required ones first: `{target: string, keep?: integer}`.
fn spec_hint(schema: &Value) -> String {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let known = |name: &str| properties.get(name).map_or("any", type_of);
    let mut keys: Vec<String> = required.iter().map(|name| format!("{name}: {}", known(name))).collect();
    let optional = properties.keys().filter(|name| !required.contains(&name.as_str()));
    keys.extend(optional.map(|name| format!("{name}?: {}", known(name))));
    let more = keys.len() > KEYS_SHOWN;
    keys.truncate(KEYS_SHOWN);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    if more || (!closed && keys.is_empty()) {
        keys.push("…".to_owned());
    }
    format!("{{{}}}", keys.join(", "))
}

fn type_of(schema: &Value) -> &str {
    match (schema.get("type"), schema.get("enum"), schema.get("const")) {
        (Some(Value::String(name)), None, None) => name,
        (_, Some(_), _) => "one of a few",
        (_, _, Some(_)) => "fixed",
        _ => "any",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_required_keys_first() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["target", "mode", "odd"],
            "properties": {
                "keep": {"type": "integer"},
                "target": {"type": "string"},
                "mode": {"type": "string", "enum": ["a", "b"]},
            },
        });
        assert_eq!(spec_hint(&schema), "{target: string, mode: one of a few, odd: any, keep?: integer}");
        for (schema, hint) in [
            (json!({"type": "object"}), "{…}"),
            (json!(true), "{…}"),
            (json!({"additionalProperties": false}), "{}"),
            (json!({"properties": 7, "required": "x"}), "{…}"),
        ] {
            assert_eq!(spec_hint(&schema), hint);
        }
        let wide: Map<String, Value> = (0..20).map(|number| (format!("k{number}"), json!({}))).collect();
        assert!(spec_hint(&json!({"properties": wide})).ends_with("k7?: any, …}"));
    }

    #[test]
    fn descriptions_are_cut_to_a_line() {
        assert_eq!(shortened("Say hello\nand more"), "Say hello");
        let long = "a".repeat(100);
        assert_eq!(shortened(&long).chars().count(), DESCRIPTION_CHARS);
    }

    #[test]
    fn needs_are_what_is_asked_beyond_the_usual() {
        let mut row = Row::flat("x", "handlers/x.sh");
        assert!(needs(&row).is_empty());
        row.sandbox.level = Level::None;
        row.sandbox.network = Network::Host;
        row.secrets = vec!["TOKEN".into()];
        assert_eq!(needs(&row), ["level:none", "network", "secret:TOKEN"]);
    }
}
