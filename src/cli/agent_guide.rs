//! `dispatch agent-guide`: what an agent has to know of this repository, printed, or written between two marks of AGENTS.md and
//! README.codex.md. Reads the work tree: the guide is committed with what it tells of.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::contract::source::{Commit, Folder, Source};
use crate::contract::{self, Compiled, ContractError};
use crate::guide::{self, Guide};
use crate::repo::RepoError;
use crate::request;
use crate::yaml::Limits;

/// Where agents look first.
pub const AGENTS: &str = "AGENTS.md";
/// Where the original contract has it.
pub const README: &str = "README.codex.md";

/// The folder of requests that work.
const EXAMPLES: &str = "examples";
/// Files of it that are looked at.
const EXAMPLES_MAX: usize = 200;

/// Arguments of `agent-guide`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch agent-guide             print it\n  \
    dispatch agent-guide --write     write it into AGENTS.md, and into README.codex.md where that is\n  \
    dispatch agent-guide --check     exit 1 where a file does not say what index and schemas say (for CI and hooks)\n\n\
    Only what is between the marks is written; everything else in these files is yours.\n\n\
    Exit codes: 0 done, 1 a guide is stale, 78 index or codex.repo.yaml cannot be read")]
pub struct AgentGuideArgs {
    /// Write the guide into the files, between its marks or at their end
    #[arg(long, conflicts_with_all = ["check", "json"])]
    write: bool,

    /// Say which files are stale and exit 1 if one is
    #[arg(long, conflicts_with = "json")]
    check: bool,

    /// The file, from the top of the repository; may be given again [default: AGENTS.md, and README.codex.md where it exists]
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `agent-guide`.
pub fn answer(place: &PlaceArgs, args: &AgentGuideArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let guide = load(&home)?;
    if args.json {
        let mut document: Value = serde_json::to_value(&guide).expect("plain data");
        document["v"] = json!(1);
        document["text"] = json!(guide.to_markdown());
        render::print_json(&document);
        return Ok(Exit::Done);
    }
    let text = guide.to_markdown();
    if !args.write && !args.check {
        render::print(text.trim_end());
        return Ok(Exit::Done);
    }
    let Some(top) = &home.checkout.work_tree else {
        return Err(Failure::new(Exit::Configuration, "a bare repository has no files to write the guide into")
            .hint("run it in a clone with a work tree"));
    };
    let files = if args.files.is_empty() { usual_files(top) } else { args.files.clone() };
    let mut stale = 0;
    for file in &files {
        let now = read(top, file)?;
        let fresh = refreshed(file, now.as_deref().unwrap_or_default(), &text)?;
        let shown = file.display();
        match (now == Some(fresh.clone()), args.write) {
            (true, _) => render::print(format!("{shown}: up to date")),
            (false, true) => {
                write(top, file, &fresh)?;
                render::print(format!("{shown}: written"));
            }
            (false, false) => {
                stale += 1;
                render::print(format!("{shown}: {}", if now.is_none() { "there is none" } else { "stale" }));
            }
        }
    }
    if stale > 0 {
        render::say(format!(
            "hint: `{} agent-guide --write` writes it; commit that with what changed",
            render::program()
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn usual_files(top: &Path) -> Vec<PathBuf> {
    let readme = top.join(README).symlink_metadata().is_ok();
    [Some(AGENTS), Some(README).filter(|_| readme)].into_iter().flatten().map(PathBuf::from).collect()
}

/// The guide of a work tree, or of the mainline where there is none.
fn load(home: &Home) -> Result<Guide, Failure> {
    if let Some(top) = &home.checkout.work_tree {
        return of(&Folder::open(top)?);
    }
    let repo = home.reader()?;
    let tip = repo.known_tip().map_or_else(|| repo.resolve("HEAD"), Ok)?;
    of(&Commit::new(&repo, tip))
}

/// The guide of the files that a source holds.
pub fn of(source: &dyn Source) -> Result<Guide, Failure> {
    let contract = contract::load_from(source, &mut Compiled::default()).map_err(|error| match error {
        ContractError::Repo(error) => error.into(),
        faults @ ContractError::Faults(_) => Failure::new(Exit::Configuration, faults.to_string()),
    })?;
    Ok(guide::guide(&contract.rules, &contract.config, &examples(source)?))
}

fn examples(source: &dyn Source) -> Result<Vec<(String, Vec<u8>)>, RepoError> {
    let mut found = Vec::new();
    for entry in source.entries(EXAMPLES.as_bytes())?.into_iter().take(EXAMPLES_MAX) {
        let Ok(Some(request::FileName { name, .. })) = request::file_name(&entry.name) else { continue };
        let path = format!("{EXAMPLES}/{name}");
        let file = source.file(path.as_bytes(), Limits::REQUEST.bytes_max as u64)?;
        found.extend(file.and_then(|file| file.bytes).map(|bytes| (path, bytes)));
    }
    Ok(found)
}

/// A file with the guide in it. A new one says first what it is.
pub fn refreshed(file: &Path, text: &str, guide: &str) -> Result<String, Failure> {
    let head = if text.trim().is_empty() { "# For agents\n\n" } else { text };
    guide::refresh(head, guide).map_err(|error| {
        Failure::new(Exit::Configuration, format!("`{}`: {error}", file.display()))
            .hint("remove the marks that are left: the guide is then added at the end")
    })
}

fn read(top: &Path, file: &Path) -> Result<Option<String>, Failure> {
    let path = within(top, file)?;
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Exit::Configuration, format!("reading `{}`: {error}", file.display()))),
    }
}

/// The file that is meant: a link within the repository is followed (AGENTS.md is often one), one that leads out is not.
fn within(top: &Path, file: &Path) -> Result<PathBuf, Failure> {
    let outside = || Failure::new(Exit::Configuration, format!("`{}` is not in this repository", file.display()));
    let top = top.canonicalize().map_err(|_| outside())?;
    let path = top.join(file);
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(_) if path.symlink_metadata().is_ok() => return Err(outside()),
        Err(_) => {
            let folder = path.parent().and_then(|folder| folder.canonicalize().ok()).ok_or_else(outside)?;
            folder.join(path.file_name().ok_or_else(outside)?)
        }
    };
    if real.starts_with(&top) && !real.starts_with(top.join(".git")) { Ok(real) } else { Err(outside()) }
}

/// Whole or not at all: it is the user's file.
fn write(top: &Path, file: &Path, text: &str) -> Result<(), Failure> {
    let path = within(top, file)?;
    let put = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(top);
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(text.as_bytes())?;
        let kept = fs::metadata(&path).map(|meta| meta.permissions());
        let usual = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        temporary.as_file().set_permissions(kept.unwrap_or(usual))?;
        temporary.persist(&path)?;
        Ok(())
    };
    put().map_err(|error| Failure::new(Exit::Unwritable, format!("writing `{}`: {error}", file.display())))
}
