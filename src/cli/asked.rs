//! What `new`, `submit` and `plan` take of a request on the command line: values of its spec, keys of its envelope, its name;
//! and the contract of the place where they are typed.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};

use super::exit::{Exit, Failure};
use super::home::{Home, chain};
use super::wait::{self, How};
use crate::admit::Kind;
use crate::contract::source::{Commit, Folder};
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::did_you_mean;
use crate::form::{self, Form};
use crate::id::RequestId;
use crate::repo::{MODE_FILE, TreeEntry};
use crate::yaml::{self, Limits};
use crate::{inbox, request};

/// Values and keys of a request.
#[derive(Debug, Default, Args)]
pub struct RequestArgs {
    /// A value of the spec, of the schema's type; dots lead into mappings, a key given again adds to its list
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// The whole spec, YAML or JSON (`-`: standard input); -s adds to it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,

    /// Name of the file without ending, perhaps with one folder before it [default: from the kind and the id]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Lower the kind's timeout, as in 5m
    #[arg(long, value_name = "SPAN", help_heading = "Envelope")]
    pub timeout: Option<String>,

    /// A lock that it takes besides the kind's own
    #[arg(long, value_name = "KEY", help_heading = "Envelope")]
    pub resource: Option<String>,

    /// It does not start before, as in 2030-01-01T08:00:00Z
    #[arg(long, value_name = "TIME", help_heading = "Envelope")]
    pub not_before: Option<String>,

    /// Past it, it never runs
    #[arg(long, value_name = "TIME", help_heading = "Envelope")]
    pub expires: Option<String>,

    /// At most one success of the kind with this key
    #[arg(long, value_name = "KEY", help_heading = "Envelope")]
    pub idempotency_key: Option<String>,

    /// Only the dispatcher of this node
    #[arg(long, value_name = "NODE", help_heading = "Envelope")]
    pub target_node: Option<String>,

    /// Only a dispatcher with this label
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Envelope")]
    pub target_label: Vec<String>,
}

impl RequestArgs {
    /// Whether anything is said that belongs to a request of a kind, and not to a file that is there.
    pub fn is_given(&self) -> bool {
        !self.set.is_empty() || self.spec.is_some() || self.envelope().is_ok_and(|keys| !keys.is_empty())
    }

    /// The keys of the envelope that were given. What they may be says admission.
    pub fn envelope(&self) -> Result<Map<String, Value>, Failure> {
        let plain = [
            ("timeout", &self.timeout),
            ("not_before", &self.not_before),
            ("expires", &self.expires),
            ("idempotency_key", &self.idempotency_key),
            ("resource", &self.resource),
        ];
        let mut keys: Map<String, Value> = plain
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.as_deref()?))))
            .collect();
        let mut target = Map::new();
        if let Some(node) = &self.target_node {
            target.insert("node".to_owned(), Value::from(node.as_str()));
        }
        for label in &self.target_label {
            let (key, value) = label.split_once('=').ok_or_else(|| {
                Failure::new(Exit::Rejected, format!("`{label}` is no label"))
                    .hint("write it as in --target-label zone=eu")
            })?;
            target.entry("labels").or_insert_with(|| json!({}))[key] = Value::from(value);
        }
        if !target.is_empty() {
            keys.insert("target".to_owned(), Value::Object(target));
        }
        Ok(keys)
    }

    /// The spec as far as it was given.
    pub fn spec(&self, form: Option<&Form>) -> Result<Map<String, Value>, Failure> {
        let mut spec = match &self.spec {
            Some(path) => read_spec(path)?,
            None => Map::new(),
        };
        for pair in &self.set {
            form::assign(form, &mut spec, pair).map_err(|error| {
                Failure::new(Exit::Rejected, format!("-s {error}")).hint("`dispatch kinds` shows what each kind takes")
            })?;
        }
        Ok(spec)
    }
}

fn read_spec(path: &Path) -> Result<Map<String, Value>, Failure> {
    let shown = path.display().to_string();
    let bytes = read(path)?;
    let document =
        yaml::read(&shown, &bytes, Limits::REQUEST).map_err(|fault| Failure::new(Exit::Rejected, fault.to_string()))?;
    match document.value() {
        Value::Object(spec) => Ok(spec.clone()),
        Value::Null => Ok(Map::new()),
        _ => Err(Failure::new(Exit::Rejected, format!("`{shown}`: a spec is a mapping"))
            .hint("it holds what comes below `spec:`, not the whole request")),
    }
}

/// A file, or standard input for `-`; of a longer one just more than a request may have.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Configuration, format!("reading `{}`: {error}", path.display()));
    let most = Limits::REQUEST.bytes_max as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

/// Holds a name, perhaps with a folder before it, against the rule for names in the inbox.
pub fn check_name(inbox: &str, name: &str) -> Result<(), Failure> {
    let (folder, stem) = name.rsplit_once('/').map_or((None, name), |(folder, stem)| (Some(folder), stem));
    let item =
        TreeEntry { name: format!("{stem}.yml").into_bytes(), mode: MODE_FILE, oid: contract::source::nothing() };
    match inbox::entry(inbox, folder.map(str::as_bytes), &item).fault {
        Some(fault) => Err(Failure::new(Exit::Rejected, fault.to_string())),
        None => Ok(()),
    }
}

/// What the work tree says of kinds; where there is none the mainline.
pub fn contract_here(home: &Home) -> Result<Contract, Failure> {
    let mut compiled = Compiled::default();
    let loaded = if let Some(top) = &home.checkout.work_tree {
        contract::load_from(&Folder::open(top)?, &mut compiled)
    } else {
        let repo = home.reader()?;
        let tip = repo.known_tip().map_or_else(|| repo.resolve("HEAD"), Ok)?;
        contract::load_from(&Commit::new(&repo, tip), &mut compiled)
    };
    loaded.map_err(broken)
}

/// A repository whose own files are at fault.
pub fn broken(error: ContractError) -> Failure {
    match error {
        ContractError::Repo(error) => error.into(),
        ContractError::Faults(faults) => {
            let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Configuration, words.join("\n"))
        }
    }
}

/// A kind that can be asked for.
pub fn kind<'c>(contract: &'c Contract, name: &str) -> Result<&'c Kind, Failure> {
    if request::is_reserved(name) {
        let failure = Failure::new(Exit::Rejected, format!("the kind `{name}` is the dispatcher's own"));
        return Err(failure.hint("it has a verb: see `dispatch --help`; a file of that kind can be submitted"));
    }
    match contract.rules.kinds.get(name) {
        Some(Ok(kind)) => return Ok(kind),
        Some(Err(faults)) => return Err(broken(ContractError::Faults(faults.clone()))),
        None => {}
    }
    let mut rows = contract.rules.index.rows();
    if let Some((_, Err(faults))) = rows.find(|(known, _)| *known == name) {
        return Err(broken(ContractError::Faults(faults.to_vec())));
    }
    let failure = Failure::new(Exit::Rejected, format!("there is no kind `{name}`"));
    let nearest = did_you_mean(name, contract.rules.kinds.keys().map(String::as_str));
    Err(failure.hint(nearest.unwrap_or_else(|| "`dispatch kinds` lists those that there are".to_owned())))
}

/// Main could not be read, or not be written.
pub fn not_submitted(error: crate::submit::SubmitError) -> Failure {
    use crate::submit::SubmitError;
    let exit = match &error {
        SubmitError::Fetch(_) | SubmitError::Push(_) => Exit::Missing,
        SubmitError::Declined { .. } | SubmitError::Raced => Exit::NotPublished,
        SubmitError::Contract(_) => Exit::Configuration,
        SubmitError::BranchTaken(_) => Exit::Rejected,
        SubmitError::Repo(_) => Exit::Unwritable,
    };
    let hint = match &error {
        SubmitError::Repo(_) | SubmitError::Contract(_) => None,
        SubmitError::BranchTaken(_) => Some("name another with --branch"),
        SubmitError::Declined { .. } => Some("nothing was put on main; a pull request can, see above"),
        SubmitError::Fetch(_) | SubmitError::Push(_) | SubmitError::Raced => {
            Some("nothing was pushed; the same command can be given again")
        }
    };
    let failure = match error {
        SubmitError::Repo(error) => error.into(),
        error => Failure::new(exit, chain(&error)),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What waits for the end of what was put on main.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// Follow it to its end; the exit code is that of the outcome, as of `dispatch wait`
    #[arg(long)]
    wait: bool,

    /// Give up after this long (exit 124); the request goes on
    #[arg(long, value_name = "SPAN", requires = "wait", value_parser = wait::span)]
    wait_timeout: Option<Duration>,
}

impl FollowArgs {
    /// Whether it is asked for.
    pub fn is_asked(&self) -> bool {
        self.wait
    }

    /// Waits, where that is asked for.
    pub fn follow(&self, home: &Home, ids: impl Iterator<Item = RequestId>, json: bool) -> Result<Exit, Failure> {
        if !self.wait {
            return Ok(Exit::Done);
        }
        let words: Vec<String> = ids.map(|id| id.to_string()).collect();
        wait::until_ended(home, &words, &How { timeout: self.wait_timeout, interval: None }, json)
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_have_to_be() {
        for (word, expected) in [("a=b/c", "a=b/c"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("*", "'*'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
