//! What one commit of the repository says, or its work tree before the commit: `codex.repo.yaml`, the router table, schemas
//! and handler files. A fault in it holds what it touches and is reported with file and line; it never rejects a request.

pub mod source;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::admit::{Kind, Rules};
use crate::config::{self, RepoConfig};
use crate::diagnostic::Diagnostic;
use crate::handler::{self, Found};
use crate::job::Row;
use crate::paths::is_within;
use crate::repo::{BlobAt, MODE_EXECUTABLE, MODE_FOLDER, MODE_GITLINK, MODE_LINK, Oid, Repo, RepoError};
use crate::route::{self, Index};
use crate::schema::Schema;
use crate::yaml::Limits;
use source::{Commit, Source};

/// What one commit says.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The commit; for a work tree [`source::nothing`].
    pub commit: Oid,
    /// Folders, branch and policy.
    pub config: RepoConfig,
    /// Kinds.
    pub rules: Rules,
    /// Object id of the router table.
    pub index_blob: String,
    /// What a person should be told although it holds nothing.
    pub warnings: Vec<Diagnostic>,
}

/// Why a commit has no contract to go by; everything is held.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The repository's files are at fault.
    #[error("{}", join(.0))]
    Faults(Vec<Diagnostic>),
    /// The objects could not be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// What was read and compiled before: a pass reads only what has changed.
#[derive(Debug, Default)]
pub struct Compiled {
    /// By path and object id.
    schemas: HashMap<(String, Oid), Result<Arc<Schema>, Diagnostic>>,
    /// The last contract, by a digest of everything that it may have been read from. Most commits are records, and leave it
    /// as it is.
    last: Option<(String, Contract)>,
}

impl Contract {
    /// Whether nothing of it was read from where requests and records lie.
    fn is_apart(&self) -> bool {
        let rows = self.rules.index.rows().filter_map(|(_, row)| row.ok());
        let mut named = rows.flat_map(|row| row.run.iter().chain(&row.schema));
        let folders = self.config.folders();
        // A word that is no plain path may lead anywhere.
        let leads_there = |word: &String| {
            word.split('/').any(|step| step == ".." || step == ".")
                || folders.iter().any(|folder| is_within(word, folder) || is_within(folder, word))
        };
        !named.any(leads_there)
    }

    /// All faults that hold a kind, each once.
    pub fn faults(&self) -> Vec<Diagnostic> {
        let rows = self.rules.index.faults().cloned();
        let kinds = self.rules.kinds.values().filter_map(|kind| kind.as_ref().err()).flatten().cloned();
        let mut faults: Vec<Diagnostic> = Vec::new();
        for fault in rows.chain(kinds) {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        faults
    }
}

/// Reads the contract of a commit.
///
/// # Errors
/// [`ContractError::Faults`] where `codex.repo.yaml` or the router table as a whole cannot be obeyed.
pub fn load(repo: &Repo, commit: Oid, compiled: &mut Compiled) -> Result<Contract, ContractError> {
    if let Some((digest, last)) = &compiled.last
        && *digest == repo.digest_without(commit, &last.config.folders())?
    {
        return Ok(Contract { commit, ..last.clone() });
    }
    let contract = load_from(&Commit::new(repo, commit), compiled)?;
    compiled.last = None;
    if contract.is_apart() {
        let digest = repo.digest_without(commit, &contract.config.folders())?;
        compiled.last = Some((digest, contract.clone()));
    }
    Ok(contract)
}

/// Reads the contract of a commit or a work tree. `compiled` is for one work tree as it is now: its files have no ids.
///
/// # Errors
/// As [`load`].
pub fn load_from(source: &dyn Source, compiled: &mut Compiled) -> Result<Contract, ContractError> {
    let (config, warnings) = load_config_from(source)?;
    let blob = plain_file(source, route::PATH, "E0500")?.ok_or_else(|| {
        let fault = Diagnostic::new("E0500", route::PATH, "there is no router table");
        ContractError::Faults(vec![
            fault
                .help("commit one with a line such as `hello: handlers/hello.sh`; `dispatch init .` writes an example"),
        ])
    })?;
    let index = Index::parse(route::PATH, blob.bytes.as_deref().unwrap_or_default(), &config)
        .map_err(|fault| ContractError::Faults(vec![fault]))?;
    let rows: Vec<Row> = index.rows().filter_map(|(_, row)| row.ok().cloned()).collect();
    let mut kinds = BTreeMap::new();
    for row in rows {
        kinds.insert(row.kind.clone(), load_kind(source, row, compiled)?.map(Arc::new));
    }
    let commit = source.commit();
    Ok(Contract { commit, config, rules: Rules { index, kinds }, index_blob: blob.oid.to_string(), warnings })
}

/// Reads `codex.repo.yaml` alone.
///
/// # Errors
/// As [`load`].
pub fn load_config(repo: &Repo, commit: Oid) -> Result<(RepoConfig, Vec<Diagnostic>), ContractError> {
    load_config_from(&Commit::new(repo, commit))
}

/// Reads `codex.repo.yaml` of a commit or a work tree alone.
///
/// # Errors
/// As [`load`].
pub fn load_config_from(source: &dyn Source) -> Result<(RepoConfig, Vec<Diagnostic>), ContractError> {
    match plain_file(source, config::PATH, "E0700")? {
        None => Ok((RepoConfig::default(), Vec::new())),
        Some(blob) => config::parse(config::PATH, blob.bytes.as_deref().unwrap_or_default())
            .map(|read| (read.config, read.warnings))
            .map_err(ContractError::Faults),
    }
}

/// A file that must be plain and within the limit where it exists at all.
fn plain_file(source: &dyn Source, path: &str, code: &'static str) -> Result<Option<BlobAt>, ContractError> {
    let Some(entry) = source.entry(path.as_bytes())? else { return Ok(None) };
    let fault = |message: String| ContractError::Faults(vec![Diagnostic::new(code, path, message)]);
    if let Some(what) = not_plain(entry.mode) {
        return Err(fault(format!("`{path}` must be a plain file, it is {what}")));
    }
    let most = Limits::REPOSITORY.bytes_max as u64;
    match source.file(path.as_bytes(), most)? {
        Some(blob) if blob.bytes.is_none() => {
            Err(fault(format!("`{path}` is {} bytes long, more than the {most} that are read", blob.size)))
        }
        blob => Ok(blob),
    }
}

fn load_kind(
    source: &dyn Source,
    row: Row,
    compiled: &mut Compiled,
) -> Result<Result<Kind, Vec<Diagnostic>>, ContractError> {
    let mut faults = Vec::new();
    let (command, handler_blob) = match load_handler(source, &row)? {
        Ok(found) => found,
        Err(fault) => {
            faults.push(fault);
            (Vec::new(), None)
        }
    };
    let (schema, schema_blob) = match load_schema(source, &row, compiled)? {
        Ok(found) => found.unzip(),
        Err(fault) => {
            faults.push(fault);
            (None, None)
        }
    };
    Ok(if faults.is_empty() { Ok(Kind { row, command, handler_blob, schema, schema_blob }) } else { Err(faults) })
}

type Command = (Vec<String>, Option<String>);

fn load_handler(source: &dyn Source, row: &Row) -> Result<Result<Command, Diagnostic>, ContractError> {
    let Some(path) = row.program_in_repository() else {
        return load_argument(source, row);
    };
    if let Some(module) = submodule_above(source, path)? {
        return Ok(handler::command(path, Found::InSubmodule(module)).map(|command| (command, None)));
    }
    let entry = source.entry(path.as_bytes())?;
    let (there, head, oid);
    let found = match &entry {
        None => {
            there = neighbours(source, path)?;
            Found::Missing(&there)
        }
        Some(entry) if entry.mode == MODE_LINK => Found::Link,
        Some(entry) if entry.mode == MODE_GITLINK => Found::Submodule,
        Some(entry) if entry.mode == MODE_FOLDER => Found::Folder,
        Some(entry) => {
            head = source.head(path.as_bytes(), handler::HEAD_BYTES)?;
            Found::File { head: &head, executable: entry.mode == MODE_EXECUTABLE }
        }
    };
    oid = entry.as_ref().map(|entry| entry.oid.to_string());
    Ok(handler::command(path, found).map(|mut command| {
        command.extend(row.run.iter().skip(1).cloned());
        (command, oid)
    }))
}

/// Behind an absolute interpreter the handler is the first word that names a file of the repository. What stands in it is the interpreter's
/// business, unless nothing of the file is there.
fn load_argument(source: &dyn Source, row: &Row) -> Result<Result<Command, Diagnostic>, ContractError> {
    for word in row.run.iter().skip(1).filter(|word| !word.is_empty() && !word.starts_with('/')) {
        if let Some(module) = submodule_above(source, word)? {
            return Ok(handler::command(word, Found::InSubmodule(module)).map(|command| (command, None)));
        }
        if let Some(found) = source.file(word.as_bytes(), 0)? {
            let head = source.head(word.as_bytes(), handler::HEAD_BYTES)?;
            return Ok(handler::refuse_pointer(word, &head).map(|()| (row.run.clone(), Some(found.oid.to_string()))));
        }
    }
    Ok(Ok((row.run.clone(), None)))
}

/// The submodule that a path leads into.
fn submodule_above<'a>(source: &dyn Source, path: &'a str) -> Result<Option<&'a str>, RepoError> {
    for (end, _) in path.match_indices('/') {
        let folder = &path[..end];
        if source.entry(folder.as_bytes())?.is_some_and(|entry| entry.mode == MODE_GITLINK) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

fn neighbours(source: &dyn Source, path: &str) -> Result<Vec<String>, RepoError> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let entries = source.entries(folder.as_bytes())?;
    Ok(entries
        .iter()
        .filter_map(|entry| std::str::from_utf8(&entry.name).ok())
        .map(|name| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") })
        .collect())
}

type Found2 = Option<(Arc<Schema>, String)>;

fn load_schema(
    source: &dyn Source,
    row: &Row,
    compiled: &mut Compiled,
) -> Result<Result<Found2, Diagnostic>, ContractError> {
    let usual = format!("schemas/{}.schema.json", row.kind);
    let path = row.schema.as_ref().unwrap_or(&usual);
    let blob = match plain_file(source, path, "E0600") {
        Ok(blob) => blob,
        Err(ContractError::Faults(mut faults)) => return Ok(faults.pop().map_or(Ok(None), Err)),
        Err(error) => return Err(error),
    };
    let Some(blob) = blob else {
        return Ok(match &row.schema {
            None => Ok(None),
            Some(path) => Err(Diagnostic::new(
                "E0600",
                path,
                format!("the schema `{path}` of kind `{}` does not exist in this commit", row.kind),
            )),
        });
    };
    let schema = compiled
        .schemas
        .entry((path.clone(), blob.oid))
        .or_insert_with(|| Schema::compile(path, blob.bytes.as_deref().unwrap_or_default()).map(Arc::new));
    Ok(schema.clone().map(|schema| Some((schema, blob.oid.to_string()))))
}

fn not_plain(mode: u32) -> Option<&'static str> {
    match mode {
        MODE_LINK => Some("a symbolic link"),
        MODE_GITLINK => Some("a submodule"),
        MODE_FOLDER => Some("a folder"),
        _ => None,
    }
}

fn join(faults: &[Diagnostic]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
