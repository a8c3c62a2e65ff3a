//! One row of the router table: `kind: handlers/file`, or a mapping with everything that a kind may ask for.
//!
//! Owns the keys of a row and their rules. A row only asks: what it gets is `policy.rs` and the host file. It never
//! looks whether a file exists.
//!
//! | code | fault |
//! |---|---|
//! | E0501 | a value of the wrong type |
//! | E0502 | an unknown key |
//! | E0503 | a value breaks a rule of its key |
//! | E0505 | a kind that breaks the rule for kinds, or is reserved |

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::config::RepoConfig;
use crate::diagnostic::Diagnostic;
use crate::fields::{self, Codes, Fault, Fields};
use crate::job::{Delivery, Level, Network, Publish, Retry, Row, Sandbox, Workspace};
use crate::paths::{in_repository, is_within, on_host};
use crate::request::{RESERVED, is_kind, is_reserved};
use crate::resource::Template;
use crate::units::format_duration;
use crate::yaml::Document;

/// The codes of the router table's faults.
pub(crate) const CODES: Codes = Codes { shape: "E0501", unknown: "E0502", value: "E0503" };

const KEYS: [&str; 16] = [
    "run",
    "description",
    "schema",
    "resource",
    "timeout",
    "grace",
    "delivery",
    "retry",
    "expires",
    "publish",
    "then",
    "workspace",
    "sandbox",
    "secrets",
    "secrets_env",
    "env",
];

const SANDBOX_KEYS: [&str; 13] = [
    "level",
    "network",
    "memory",
    "pids",
    "cpu_time",
    "file_size",
    "tmp",
    "work",
    "output",
    "artifacts",
    "cache",
    "read",
    "write",
];

/// The most entries that any list of a row holds.
const LIST_MAX: usize = 64;

/// The longest time between TERM and KILL: past it a timeout would mean nothing.
/// The longest `grace` that a row may ask for.
pub const GRACE_MAX: Duration = Duration::from_mins(10);

/// Reads the row of one kind in the router table.
///
/// # Errors
/// Every fault of the row with its place.
pub fn read(document: &Document, kind: &str, config: &RepoConfig) -> Result<Row, Vec<Diagnostic>> {
    let mut table = Fields::of(document, "", "the index", CODES).map_err(|fault| vec![fault])?;
    if let Some(fault) = refused_kind(document, kind) {
        table.push(fault);
    }
    let row = if table.raw(kind).is_some_and(Value::is_object) {
        table.nested(kind, |fields| full(fields, kind, config))
    } else {
        let expected = "a handler's path, or a mapping with `run`";
        table.read(kind, expected, |value| handler(value, config)).map(|run| Row::flat(kind, run))
    };
    match row {
        Some(row) if table.is_sound() => Ok(row),
        _ => Err(table.into_faults()),
    }
}

fn refused_kind(document: &Document, kind: &str) -> Option<Diagnostic> {
    let message = if is_reserved(kind) {
        format!("`{kind}` is reserved: kinds that begin with `{RESERVED}` are the dispatcher's own")
    } else if is_kind(kind) {
        return None;
    } else {
        format!("`{}` breaks the rule for kinds", fields::shortened(kind).escape_debug())
    };
    let fault = document.fault_at_key("E0505", &fields::pointer("", kind), message);
    Some(fault.expected("letters, digits, `.`, `_` and `-`, 1 to 64 of them, the first a letter or digit"))
}

fn full(fields: &mut Fields<'_>, kind: &str, config: &RepoConfig) -> Row {
    fields.refuse_unknown(&KEYS);
    let default = Row::flat(kind, "");
    if !fields.has("run") {
        fields.fault_here("`run` is missing: it names the handler");
    }
    let row = Row {
        run: read_run(fields, config),
        description: fields.read("description", "text", description),
        schema: fields
            .read("schema", "a schema's path in the repository", |value| outside_inbox(fields::text(value)?, config)),
        resource: read_resource(fields),
        timeout: fields.read("timeout", "a duration such as 15m", fields::positive_duration),
        grace: fields.read("grace", "a duration such as 10s", grace).unwrap_or(default.grace),
        delivery: fields
            .read("delivery", "at-most-once or at-least-once", fields::word(&DELIVERIES))
            .unwrap_or(default.delivery),
        expires: fields.read("expires", "a duration such as 6h", fields::positive_duration),
        publish: fields.read("publish", "full, tail or digest", fields::word(&PUBLISHES)).unwrap_or(default.publish),
        then: fields.list("then", LIST_MAX, "the name of an action in the host file", action).unwrap_or_default(),
        workspace: fields
            .read("workspace", "snapshot or persistent", fields::word(&WORKSPACES))
            .unwrap_or(default.workspace),
        sandbox: fields.nested("sandbox", read_sandbox).unwrap_or_default(),
        secrets: fields.list("secrets", LIST_MAX, "a secret's name such as BACKUP_TOKEN", variable).unwrap_or_default(),
        secrets_env: fields.read("secrets_env", "true or false", fields::flag).unwrap_or(default.secrets_env),
        env: fields.nested("env", read_env).unwrap_or_default(),
        ..default
    };
    let row = Row { retry: read_retry(fields, row.delivery), ..row };
    if let Some(name) = row.secrets.iter().find(|name| row.secrets_env && row.env.contains_key(*name)) {
        fields
            .fault("env", format!("`{name}` is a secret and a variable: with `secrets_env` one would hide the other"));
    }
    if row.sandbox.level == Level::None && matches!(row.sandbox.network, Network::Tcp(_)) {
        fields.fault("sandbox", "`network: {tcp: …}` needs level isolated or confined: at none nothing narrows it");
    }
    row
}

const DELIVERIES: [(&str, Delivery); 2] =
    [("at-most-once", Delivery::AtMostOnce), ("at-least-once", Delivery::AtLeastOnce)];
const PUBLISHES: [(&str, Publish); 3] = [("full", Publish::Full), ("tail", Publish::Tail), ("digest", Publish::Digest)];
const WORKSPACES: [(&str, Workspace); 2] = [("snapshot", Workspace::Snapshot), ("persistent", Workspace::Persistent)];
const LEVELS: [(&str, Level); 3] =
    [("isolated", Level::Isolated), ("confined", Level::Confined), ("none", Level::None)];

fn read_run(fields: &mut Fields<'_>, config: &RepoConfig) -> Vec<String> {
    if !fields.raw("run").is_some_and(Value::is_array) {
        let expected = "a handler's path in the repository, or a list of words";
        return fields.read("run", expected, |value| handler(value, config)).into_iter().collect();
    }
    let mut words = fields.list("run", LIST_MAX, "text (quote a number)", argument).unwrap_or_default();
    let Some(program) = words.first_mut() else {
        fields.fault("run", "`run` is an empty list: its first word is the program");
        return words;
    };
    let checked = if program.starts_with('/') {
        on_host(program).map(|_| program.clone()).map_err(Fault::rule)
    } else {
        outside_inbox(program, config)
    };
    match checked {
        Ok(path) => *program = path,
        Err(Fault::Rule(rule)) => fields.fault("run", format!("`run`: its first word {rule}")),
        Err(Fault::Shape) => fields.fault("run", "`run`: its first word is no path"),
    }
    words
}

/// A handler as one path: never split into words, and never shown to a shell.
fn handler(value: &Value, config: &RepoConfig) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if looks_like_command(text) {
        let words: Vec<&str> = text.split_whitespace().collect();
        return Err(Fault::Rule(format!(
            "`{text}` is one path, not a command line: write a list, `run: [{}]`",
            words.join(", ")
        )));
    }
    if text.starts_with('/') {
        return Err(Fault::Rule(format!(
            "`{text}` is outside the repository: for a program of the host write a list, `run: [{text}]`"
        )));
    }
    outside_inbox(text, config)
}

/// Whether a text of several words was meant for a shell: a path may hold blanks, and then these signs are absent.
fn looks_like_command(text: &str) -> bool {
    const PROGRAMS: [&str; 9] = ["sh", "bash", "env", "node", "perl", "python", "python3", "ruby", "sudo"];
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let has_ending = first.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let is_program = first.starts_with('/') || has_ending || PROGRAMS.contains(&first);
    let is_argument = |word: &&str| word.starts_with('-') || word.contains(['/', '=']);
    let has_shell_signs = text.contains(['|', ';', '&', '$', '<', '>', '`', '"', '\'']);
    !rest.is_empty() && (is_program || has_shell_signs || rest.iter().any(is_argument))
}

/// A repository path that does not lie where requests and records do: whoever may write those could write the handler.
fn outside_inbox(text: &str, config: &RepoConfig) -> Result<String, Fault> {
    let path = in_repository(text).map_err(Fault::rule)?;
    match config.folders().into_iter().find(|folder| is_within(&path, folder)) {
        Some(folder) => Err(Fault::Rule(format!("`{path}` lies in `{folder}/`, which is for requests and records"))),
        None => Ok(path),
    }
}

fn read_resource(fields: &mut Fields<'_>) -> Vec<Template> {
    let expected = "a lock key such as host/{spec.host}";
    if fields.raw("resource").is_some_and(Value::is_array) {
        return fields.list("resource", 16, expected, template).unwrap_or_default();
    }
    fields.read("resource", expected, template).into_iter().collect()
}

fn read_retry(fields: &mut Fields<'_>, delivery: Delivery) -> Option<Retry> {
    if delivery == Delivery::AtMostOnce {
        if fields.has("retry") {
            fields.fault("retry", "`retry` needs `delivery: at-least-once`: other kinds start once");
        }
        return None;
    }
    let default = Retry::default();
    let retry = fields.nested("retry", |retry| {
        retry.refuse_unknown(&["attempts", "backoff", "max_backoff", "on"]);
        let on = retry.list("on", LIST_MAX, "an exit code from 1 to 255", exit_code);
        Retry {
            attempts: retry
                .read("attempts", "a whole number from 1 to 100", fields::count(100))
                .unwrap_or(default.attempts),
            backoff: retry.read("backoff", "a duration such as 30s", fields::duration).unwrap_or(default.backoff),
            max_backoff: retry
                .read("max_backoff", "a duration such as 10m", fields::duration)
                .unwrap_or(default.max_backoff),
            on: on.unwrap_or_else(|| default.on.clone()),
        }
    });
    let retry = retry.unwrap_or(default);
    if retry.backoff > retry.max_backoff {
        let (backoff, max) = (format_duration(retry.backoff), format_duration(retry.max_backoff));
        fields.fault("retry", format!("`backoff` ({backoff}) is longer than `max_backoff` ({max})"));
    }
    Some(retry)
}

fn read_sandbox(fields: &mut Fields<'_>) -> Sandbox {
    fields.refuse_unknown(&SANDBOX_KEYS);
    let size = "a size such as 512MiB";
    let host_paths = "an absolute path on the host";
    Sandbox {
        level: fields.read("level", "isolated, confined or none", fields::word(&LEVELS)).unwrap_or_default(),
        network: read_network(fields),
        memory: fields.read("memory", size, fields::positive_size),
        pids: fields.read("pids", "a whole number", fields::count(1 << 22)),
        cpu_time: fields.read("cpu_time", "a duration such as 10m", cpu_time),
        file_size: fields.read("file_size", size, fields::positive_size),
        tmp: fields.read("tmp", size, fields::size),
        work: fields.read("work", size, fields::positive_size),
        output: fields.read("output", size, fields::size),
        artifacts: fields.read("artifacts", size, fields::size),
        cache: fields.read("cache", size, fields::size).unwrap_or(0),
        read: fields.list("read", LIST_MAX, host_paths, host_path).unwrap_or_default(),
        write: fields.list("write", LIST_MAX, host_paths, host_path).unwrap_or_default(),
    }
}

fn read_network(fields: &mut Fields<'_>) -> Network {
    if fields.raw("network").is_some_and(Value::is_object) {
        let ports = fields.nested("network", |network| {
            network.refuse_unknown(&["tcp"]);
            if !network.has("tcp") {
                network.fault_here("`network` names no ports: write {tcp: [443]}");
            }
            network.list("tcp", LIST_MAX, "a port from 1 to 65535", port)
        });
        return Network::Tcp(ports.flatten().unwrap_or_default());
    }
    match fields.read("network", "true, false or {tcp: [443]}", fields::flag) {
        Some(true) => Network::Host,
        _ => Network::None,
    }
}

fn read_env(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for name in fields.keys().take(LIST_MAX + 1) {
        if env.len() == LIST_MAX {
            fields.fault_here(format!("`env` has more than {LIST_MAX} variables"));
        } else if !is_variable(name) {
            fields.fault(name, format!("`{}` is no name of a variable", fields::shortened(name).escape_debug()));
        } else if name.starts_with("DISPATCH_") {
            fields.fault(name, format!("`{name}`: variables that begin with DISPATCH_ are the dispatcher's own"));
        } else if let Some(value) = fields.read(name, "text (quote a number)", argument) {
            env.insert(name.to_owned(), value);
        }
    }
    env
}

fn description(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if text.chars().count() > 1000 { Err(Fault::rule("has more than 1000 characters")) } else { Ok(text.to_owned()) }
}

fn template(value: &Value) -> Result<Template, Fault> {
    Template::parse(fields::text(value)?).map_err(Fault::rule)
}

fn grace(value: &Value) -> Result<Duration, Fault> {
    let grace = fields::duration(value)?;
    if grace > GRACE_MAX {
        Err(Fault::Rule(format!("is longer than {}", format_duration(GRACE_MAX))))
    } else {
        Ok(grace)
    }
}

/// Processor time is limited in whole seconds.
fn cpu_time(value: &Value) -> Result<Duration, Fault> {
    let time = fields::duration(value)?;
    if time.as_secs() == 0 { Err(Fault::rule("must be at least 1s")) } else { Ok(time) }
}

fn action(value: &Value) -> Result<String, Fault> {
    let name = fields::text(value)?;
    if is_kind(name) { Ok(name.to_owned()) } else { Err(Fault::rule("is no name of an action")) }
}

fn variable(value: &Value) -> Result<String, Fault> {
    let name = fields::text(value)?;
    if is_variable(name) {
        Ok(name.to_owned())
    } else {
        Err(Fault::rule("a name has capital or small letters, digits and `_`, the first no digit, 64 at most"))
    }
}

/// Whether a text can name an environment variable, and so a secret: `[A-Za-z_][A-Za-z0-9_]{0,63}`.
pub fn is_variable(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

fn argument(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if text.contains('\0') {
        return Err(Fault::rule("holds a NUL"));
    }
    if text.len() > 4096 { Err(Fault::rule("is longer than 4096 bytes")) } else { Ok(text.to_owned()) }
}

fn host_path(value: &Value) -> Result<PathBuf, Fault> {
    on_host(fields::text(value)?).map_err(Fault::rule)
}

fn exit_code(value: &Value) -> Result<u8, Fault> {
    let code = value.as_u64().and_then(|code| u8::try_from(code).ok()).filter(|code| *code > 0);
    code.ok_or_else(|| Fault::Rule(format!("{value} is no exit code from 1 to 255")))
}

fn port(value: &Value) -> Result<u16, Fault> {
    let port = value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    port.ok_or_else(|| Fault::Rule(format!("{value} is no port from 1 to 65535")))
}

#[cfg(test)]
mod tests;
