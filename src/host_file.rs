//! The host file: what the machine's owner allows.
//!
//! Owns its keys, their defaults and their rules, and nothing of the machine: the host's name and cores are filled in by
//! `host.rs`, which also reads the file. What it allows a job is decided in `policy.rs`.
//!
//! | code | fault |
//! |---|---|
//! | E0801 | a value of the wrong type |
//! | E0802 | an unknown key |
//! | E0803 | a value breaks a rule of its key |

mod uids;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub use uids::{NoUid, Uids};

use crate::config::branch;
use crate::diagnostic::Diagnostic;
use crate::fields::{self, Codes, Fault, Fields};
use crate::job::{Level, SecretSource};
use crate::paths::on_host;
use crate::request::{self, is_kind};
use crate::row::is_variable;
use crate::yaml::{self, Document, Limits};

/// Where the host file is unless `--host` names another.
pub const PATH: &str = "/etc/dispatch/host.yaml";

const CODES: Codes = Codes { shape: "E0801", unknown: "E0802", value: "E0803" };

const KEYS: [&str; 19] = [
    "node",
    "labels",
    "jobs",
    "interval",
    "claims",
    "repository",
    "levels",
    "uids",
    "run_as",
    "network",
    "actions",
    "rate",
    "drain",
    "read",
    "write",
    "limits",
    "secrets",
    "protocols",
    "remote_timeout",
];

/// The most that a rate may allow: so many starts are kept in mind.
pub const RATE_MAX: u32 = 100_000;

/// The most entries of any list or mapping here.
const LIST_MAX: usize = 1000;

/// What the machine's owner allows; [`HostFile::default`] is what holds where there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// The file, for messages that say what to add and where.
    pub file: String,
    /// The keys that stand at its top level, so that such messages know whether to add one or to add below it.
    pub given: BTreeSet<String>,
    /// The machine's name; none means its host name.
    pub node: Option<String>,
    /// Labels that requests may aim at.
    pub labels: BTreeMap<String, String>,
    /// How many requests run at once; none means the cores.
    pub jobs: Option<u32>,
    /// The pause between passes of `watch`.
    pub interval: Duration,
    /// How hosts share a repository.
    pub claims: Claims,
    /// What of `codex.repo.yaml` the owner decides.
    pub repository: Repository,
    /// How far handlers are kept from the machine.
    pub levels: Levels,
    /// The uids of worker slots, as root.
    pub uids: Uids,
    /// Fixed users by kind: a name or a number, never root.
    pub run_as: BTreeMap<String, String>,
    /// Kinds that may have the host's network; `*` is all.
    pub network: Vec<String>,
    /// What the dispatcher may do after a success.
    pub actions: BTreeMap<String, Action>,
    /// How many requests of a kind may start in a while; `*` is all together.
    pub rate: BTreeMap<String, Rate>,
    /// What a stop waits for running jobs.
    pub drain: Duration,
    /// Host paths that may be read, by kind.
    pub read: BTreeMap<String, Vec<PathBuf>>,
    /// Host paths that may be written, by kind.
    pub write: BTreeMap<String, Vec<PathBuf>>,
    /// The most that a row may ask for.
    pub limits: Ceilings,
    /// Secrets by name.
    pub secrets: BTreeMap<String, SecretRow>,
    /// Protocols that the remote may be reached by.
    pub protocols: Vec<String>,
    /// What one fetch or push may take before it is ended and tried again later.
    pub remote_timeout: Duration,
}

/// How hosts share a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    /// One dispatcher serves the repository.
    Local,
    /// Several do, and claim requests on the remote.
    Remote,
}

/// What of `codex.repo.yaml` the machine's owner decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// The branch that is obeyed, whatever the repository says.
    pub branch: Option<String>,
    /// Whether only merged requests run, whatever the repository says.
    pub merged_only: Option<bool>,
}

/// How far handlers are kept from the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The weakest level that any kind may ask for (other than by `none`): isolated or confined.
    pub minimum: Level,
    /// Kinds that may run at `none`; `*` is all.
    pub none: Vec<String>,
    /// Layers that must be there, such as `cgroup.memory`.
    pub require: Vec<String>,
}

/// Something that the dispatcher does itself after a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The command.
    pub run: Vec<String>,
    /// Kinds that may ask for it; `*` is all.
    pub kinds: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Action {
    /// The default for `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

/// So many in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// The most that a row may ask for; sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Memory, and /tmp, which lives in it.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
    /// How long an attempt may run.
    pub timeout: Duration,
    /// Processor time of each process.
    pub cpu_time: Duration,
    /// The longest file that may be written.
    pub file_size: u64,
    /// The work folder.
    pub work: u64,
    /// Output kept.
    pub output: u64,
    /// Artifacts kept.
    pub artifacts: u64,
    /// What is kept from run to run: a cache, and a persistent checkout.
    pub cache: u64,
}

/// A secret and who may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Where its value is read.
    pub source: SecretSource,
    /// Kinds that may have it.
    pub kinds: Vec<String>,
}

impl Default for HostFile {
    fn default() -> Self {
        Self {
            file: PATH.into(),
            given: BTreeSet::new(),
            node: None,
            labels: BTreeMap::new(),
            jobs: None,
            interval: Duration::from_secs(15),
            claims: Claims::Local,
            repository: Repository::default(),
            levels: Levels::default(),
            uids: Uids { first: 60_720, last: 60_783 },
            run_as: BTreeMap::new(),
            network: Vec::new(),
            actions: BTreeMap::new(),
            rate: BTreeMap::new(),
            drain: Duration::from_mins(10),
            read: BTreeMap::new(),
            write: BTreeMap::new(),
            limits: Ceilings::default(),
            secrets: BTreeMap::new(),
            protocols: ["file", "ssh", "https"].map(str::to_owned).to_vec(),
            remote_timeout: Duration::from_mins(5),
        }
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self { minimum: Level::Isolated, none: Vec::new(), require: Vec::new() }
    }
}

impl Default for Ceilings {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            memory: 2048 * MIB,
            pids: 1024,
            timeout: Duration::from_hours(2),
            cpu_time: Duration::from_hours(2),
            file_size: 4096 * MIB,
            work: 4096 * MIB,
            output: 8 * MIB,
            artifacts: 32 * MIB,
            cache: 10_240 * MIB,
        }
    }
}

/// Reads a host file. An empty one gives the defaults.
///
/// # Errors
/// Every fault with its place; the first alone where the text is no YAML that is accepted.
pub fn parse(file: &str, bytes: &[u8]) -> Result<HostFile, Vec<Diagnostic>> {
    let document = match yaml::read(file, bytes, Limits::REPOSITORY) {
        Ok(document) => document,
        Err(fault) if fields::is_no_document(&fault) => {
            return Ok(HostFile { file: file.to_owned(), ..HostFile::default() });
        }
        Err(fault) => return Err(vec![fault]),
    };
    read(file, &document)
}

fn read(file: &str, document: &Document) -> Result<HostFile, Vec<Diagnostic>> {
    let mut fields = Fields::of(document, "", "the host file", CODES).map_err(|fault| vec![fault])?;
    fields.refuse_unknown(&KEYS);
    let default = HostFile::default();
    let host = HostFile {
        file: file.to_owned(),
        given: fields.keys().map(str::to_owned).collect(),
        node: fields.read("node", "a name such as web-1", request::node),
        labels: by_key(&mut fields, "labels", any_key, |labels, key| {
            labels.read(key, "text (quote a number)", request::label)
        }),
        jobs: fields.read("jobs", "a whole number from 1 to 1024", fields::count(1024)),
        interval: fields
            .read("interval", "a duration such as 15s", fields::positive_duration)
            .unwrap_or(default.interval),
        claims: fields.read("claims", "local or remote", fields::word(&CLAIMS)).unwrap_or(default.claims),
        repository: fields.nested("repository", read_repository).unwrap_or_default(),
        levels: fields.nested("levels", read_levels).unwrap_or_default(),
        uids: fields.read("uids", "a range such as 60720-60783", range).unwrap_or(default.uids),
        run_as: by_key(&mut fields, "run_as", kind_key, |map, kind| map.read(kind, "a user's name or number", user)),
        network: fields.list("network", LIST_MAX, "a kind, or \"*\" for all", kind_or_all).unwrap_or_default(),
        actions: by_key(&mut fields, "actions", action_key, |map, name| map.nested(name, read_action)),
        rate: by_key(&mut fields, "rate", kind_or_all_key, |map, kind| map.read(kind, "a rate such as 10/h", rate)),
        drain: fields.read("drain", "a duration such as 10m", fields::duration).unwrap_or(default.drain),
        read: by_key(&mut fields, "read", kind_key, read_paths),
        write: by_key(&mut fields, "write", kind_key, read_paths),
        limits: fields.nested("limits", read_limits).unwrap_or_default(),
        secrets: by_key(&mut fields, "secrets", secret_key, |map, name| map.nested(name, read_secret).flatten()),
        protocols: fields
            .list("protocols", LIST_MAX, "a protocol such as https", protocol)
            .unwrap_or(default.protocols),
        remote_timeout: fields
            .read("remote_timeout", "a duration such as 5m", remote_timeout)
            .unwrap_or(default.remote_timeout),
    };
    if fields.is_sound() { Ok(host) } else { Err(fields.into_faults()) }
}

const CLAIMS: [(&str, Claims); 2] = [("local", Claims::Local), ("remote", Claims::Remote)];

/// Less than a second no server can keep, and behind an hour a dead connection would hold everything up.
fn remote_timeout(value: &Value) -> Result<Duration, Fault> {
    let span = fields::duration(value)?;
    let sound = (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&span);
    if sound { Ok(span) } else { Err(Fault::rule("must be from 1s to 1h")) }
}

/// Reads a mapping whose keys are the owner's words; `rule` names what is wrong with a key.
fn by_key<'d, T>(
    fields: &mut Fields<'d>,
    key: &str,
    rule: impl Fn(&str) -> Option<&'static str>,
    read: impl Fn(&mut Fields<'d>, &str) -> Option<T>,
) -> BTreeMap<String, T> {
    let map = fields.nested(key, |map| {
        let mut entries = BTreeMap::new();
        for name in map.keys() {
            if let Some(broken) = rule(name) {
                let pointer = map.pointer_to(name);
                map.push_at(CODES.value, &pointer, format!("`{}` {broken}", fields::shortened(name).escape_debug()));
            } else if let Some(entry) = read(map, name) {
                entries.insert(name.to_owned(), entry);
            }
        }
        entries
    });
    map.unwrap_or_default()
}

fn any_key(_: &str) -> Option<&'static str> {
    None
}

fn kind_key(key: &str) -> Option<&'static str> {
    (!is_kind(key)).then_some("is no kind: letters, digits, `.`, `_` and `-`")
}

fn kind_or_all_key(key: &str) -> Option<&'static str> {
    if key == "*" { None } else { kind_key(key) }
}

fn action_key(key: &str) -> Option<&'static str> {
    (!is_kind(key)).then_some("is no name of an action: letters, digits, `.`, `_` and `-`")
}

fn secret_key(key: &str) -> Option<&'static str> {
    (!is_variable(key)).then_some("is no name of a secret: letters, digits and `_`, the first no digit")
}

fn read_repository(fields: &mut Fields<'_>) -> Repository {
    fields.refuse_unknown(&["branch", "merged_only"]);
    Repository {
        branch: fields.read("branch", "a branch such as main", branch),
        merged_only: fields.read("merged_only", "true or false", fields::flag),
    }
}

fn read_levels(fields: &mut Fields<'_>) -> Levels {
    fields.refuse_unknown(&["minimum", "none", "require"]);
    Levels {
        minimum: fields.read("minimum", "isolated or confined", minimum).unwrap_or_default(),
        none: fields.list("none", LIST_MAX, "a kind, or \"*\" for all", kind_or_all).unwrap_or_default(),
        require: fields.list("require", LIST_MAX, "a layer such as cgroup.memory", layer).unwrap_or_default(),
    }
}

fn read_action(fields: &mut Fields<'_>) -> Action {
    fields.refuse_unknown(&["run", "kinds", "timeout"]);
    let action = Action {
        run: fields.list("run", LIST_MAX, "text (quote a number)", fields::line(4096)).unwrap_or_default(),
        kinds: fields.list("kinds", LIST_MAX, "a kind, or \"*\" for all", kind_or_all).unwrap_or_default(),
        timeout: fields.read("timeout", "a duration such as 30s", fields::positive_duration).unwrap_or(Action::TIMEOUT),
    };
    if !fields.is_sound() {
        return action;
    }
    if !fields.has("kinds") {
        fields.fault_here("`kinds` is missing: it names who may ask for the action");
    }
    match action.run.first() {
        None => fields.fault_here("`run` is missing: it is the command as a list"),
        Some(program) => {
            if let Some(rule) = broken_program(program) {
                fields.fault("run", format!("`run`: its first word {rule}"));
            }
        }
    }
    action
}

/// A program is found by its path from the root or by its name alone: a dispatcher has no working folder to count on.
fn broken_program(program: &str) -> Option<String> {
    if program.starts_with('/') {
        return on_host(program).err().map(|rule| rule.to_string());
    }
    let is_name = !program.is_empty() && !program.contains(['/', ' ']) && !program.starts_with('-');
    (!is_name).then(|| {
        format!("`{}` is neither an absolute path nor a program's name; each word stands alone", program.escape_debug())
    })
}

fn read_paths(fields: &mut Fields<'_>, kind: &str) -> Option<Vec<PathBuf>> {
    fields.list(kind, LIST_MAX, "an absolute path", |value| on_host(fields::text(value)?).map_err(Fault::rule))
}

fn read_limits(fields: &mut Fields<'_>) -> Ceilings {
    fields.refuse_unknown(&[
        "memory",
        "pids",
        "timeout",
        "cpu_time",
        "file_size",
        "work",
        "output",
        "artifacts",
        "cache",
    ]);
    let default = Ceilings::default();
    let size = "a size such as 2GiB";
    Ceilings {
        memory: fields.read("memory", size, fields::positive_size).unwrap_or(default.memory),
        pids: fields.read("pids", "a whole number", fields::count(1 << 22)).unwrap_or(default.pids),
        timeout: fields.read("timeout", "a duration such as 2h", fields::positive_duration).unwrap_or(default.timeout),
        cpu_time: fields
            .read("cpu_time", "a duration such as 2h", fields::positive_duration)
            .unwrap_or(default.cpu_time),
        file_size: fields.read("file_size", size, fields::positive_size).unwrap_or(default.file_size),
        work: fields.read("work", size, fields::positive_size).unwrap_or(default.work),
        output: fields.read("output", size, fields::size).unwrap_or(default.output),
        artifacts: fields.read("artifacts", size, fields::size).unwrap_or(default.artifacts),
        cache: fields.read("cache", size, fields::size).unwrap_or(default.cache),
    }
}

fn read_secret(fields: &mut Fields<'_>) -> Option<SecretRow> {
    fields.refuse_unknown(&["file", "credential", "env", "kinds"]);
    let kinds = fields.list("kinds", LIST_MAX, "a kind", kind);
    if kinds.is_none() && !fields.has("kinds") {
        fields.fault_here("`kinds` is missing: it names who may have the secret");
    }
    let named = ["file", "credential", "env"].into_iter().filter(|key| fields.has(key)).count();
    if named != 1 {
        fields.fault_here("a secret has one of `file`, `credential` and `env`");
        return None;
    }
    let file = fields.read("file", "an absolute path", |value| on_host(fields::text(value)?).map_err(Fault::rule));
    let credential = fields.read("credential", "a credential's name", credential);
    let env = fields.read("env", "a variable's name", variable);
    let source =
        file.map(SecretSource::File).or(credential.map(SecretSource::Credential)).or(env.map(SecretSource::Env));
    Some(SecretRow { source: source?, kinds: kinds? })
}

fn kind(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if is_kind(text) {
        Ok(text.to_owned())
    } else {
        Err(Fault::Rule(format!("`{}` is no kind", fields::shortened(text).escape_debug())))
    }
}

fn kind_or_all(value: &Value) -> Result<String, Fault> {
    if value.as_str() == Some("*") { Ok("*".into()) } else { kind(value) }
}

fn minimum(value: &Value) -> Result<Level, Fault> {
    match fields::word(&[("isolated", Level::Isolated), ("confined", Level::Confined), ("none", Level::None)])(value)? {
        Level::None => {
            Err(Fault::rule("can be lowered to confined only; name the kinds that may run at `none` in `levels.none`"))
        }
        level => Ok(level),
    }
}

fn layer(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    let is_layer = is_kind(text) && text.bytes().all(|byte| !byte.is_ascii_uppercase());
    if is_layer { Ok(text.to_owned()) } else { Err(Fault::rule("is no layer such as cgroup.memory")) }
}

fn range(value: &Value) -> Result<Uids, Fault> {
    let (first, last) = fields::text(value)?.split_once('-').ok_or_else(|| Fault::rule("is no range"))?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return Err(Fault::rule("is no range of numbers"));
    };
    // The two highest numbers mean "no user" to the kernel.
    if first == 0 || last >= u32::MAX - 1 {
        return Err(Fault::rule("must not hold 0, which is root, nor the two highest numbers"));
    }
    if first > last || last - first >= 65_536 {
        return Err(Fault::rule("must go up, over 65536 uids at most"));
    }
    Ok(Uids { first, last })
}

fn user(value: &Value) -> Result<String, Fault> {
    if let Value::Number(number) = value {
        let uid = number.as_u64().filter(|uid| (1..u64::from(u32::MAX) - 1).contains(uid));
        return uid.map(|uid| uid.to_string()).ok_or_else(|| Fault::Rule(format!("{number} is no uid above 0")));
    }
    let name = fields::text(value)?;
    let is_name = name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    match name {
        "root" => Err(Fault::rule("must never be root")),
        _ if is_name => Ok(name.to_owned()),
        _ => Err(Fault::rule("is no user's name (a number stands without quotes)")),
    }
}

fn rate(value: &Value) -> Result<Rate, Fault> {
    let text = fields::text(value)?;
    let parsed = text.split_once('/').and_then(|(count, unit)| {
        let per = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)].into_iter().find(|(name, _)| *name == unit)?.1;
        let count = count.parse().ok().filter(|count| (1..=RATE_MAX).contains(count))?;
        let count = Some(count).filter(|_| text.starts_with(|c: char| c.is_ascii_digit()))?;
        Some(Rate { count, per: Duration::from_secs(per) })
    });
    parsed.ok_or_else(|| Fault::rule("is no rate such as 10/h: a number from 1 to 100000, a slash and s, m, h or d"))
}

fn credential(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if is_kind(text) {
        Ok(text.to_owned())
    } else {
        Err(Fault::rule("is no credential's name: letters, digits, `.`, `_` and `-`"))
    }
}

fn variable(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    if is_variable(text) { Ok(text.to_owned()) } else { Err(Fault::rule("is no variable's name")) }
}

fn protocol(value: &Value) -> Result<String, Fault> {
    let text = fields::text(value)?;
    let is_protocol = !text.is_empty()
        && text.len() <= 32
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'+');
    if is_protocol { Ok(text.to_owned()) } else { Err(Fault::rule("is no protocol such as https")) }
}

#[cfg(test)]
mod tests;
