//! `dispatch handler new`: the files of a handler to begin with. Nothing is overwritten: what is there is told, and then nothing
//! is written at all.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::home::Home;
use crate::cli::{PlaceArgs, render};
use crate::contract::source::Folder;
use crate::contract::{self, ContractError};
use crate::durable;
use crate::request;
use crate::resource::Template;
use crate::route;
use crate::scaffold::{Language, NewFile, Plan, ScaffoldError};
use crate::units::parse_duration;

/// Arguments of `handler new`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch handler new greet --lang sh\n  \
    dispatch handler new restart --lang python --resource 'host/{spec.host}' --timeout 2m\n  \
    dispatch handler new greet --lang sh --dry-run    show what would be written\n\n\
    Writes handlers/KIND.sh or .py, schemas/KIND.schema.json, a row at the end of handlers/index.yml, examples/KIND.yml, and\n\
    fixtures in tests/handlers/KIND/. Nothing is overwritten. `dispatch handler test KIND` tries what it has written.")]
pub struct NewArgs {
    /// The new kind
    #[arg(value_name = "KIND", value_parser = kind)]
    kind: String,

    /// What the handler is written in
    #[arg(long, value_enum)]
    lang: Lang,

    /// What it does, in a line
    #[arg(long, value_name = "TEXT", value_parser = line)]
    description: Option<String>,

    /// Its lock key, such as `host/{spec.host}`: requests with the same one run one after the other
    #[arg(long, value_name = "KEY", value_parser = template)]
    resource: Option<Template>,

    /// How long it may run, such as 5m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    timeout: Option<String>,

    /// Write nothing, and show what would be written
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lang {
    /// A POSIX shell
    Sh,
    /// Python 3
    Python,
}

/// Answers `handler new`.
pub fn answer(place: &PlaceArgs, args: &NewArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let Some(top) = &home.checkout.work_tree else {
        let words = "this repository has no work tree to write into";
        return Err(Failure::new(Exit::Configuration, words).hint("`-C DIR` names a clone that has one"));
    };
    let config = contract::load_config_from(&Folder::open(top)?).map_err(|error| match error {
        ContractError::Repo(error) => error.into(),
        faults @ ContractError::Faults(_) => Failure::new(Exit::Configuration, faults.to_string()),
    })?;
    let plan = Plan {
        kind: args.kind.clone(),
        language: match args.lang {
            Lang::Sh => Language::Sh,
            Lang::Python => Language::Python,
        },
        description: args.description.clone(),
        resource: args.resource.clone(),
        timeout: args.timeout.clone(),
        editor_lines: top.join("schemas/dispatch/fixture.schema.json").is_file(),
    };
    let index = top.join(route::PATH);
    let before = match fs::read_to_string(&index) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(
            text.map_err(|error| Failure::new(Exit::Configuration, format!("reading `{}`: {error}", route::PATH)))?,
        ),
    };
    let table = plan.index(before.as_deref(), &config.0)?;
    let files = plan.files()?;
    let there: Vec<&str> =
        files.iter().map(|file| file.path.as_str()).filter(|path| top.join(path).symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        let words = format!("there already, and nothing is overwritten: {}", there.join(", "));
        return Err(Failure::new(Exit::Unwritable, words).hint("move them away, or choose another kind"));
    }
    if !args.dry_run {
        write(top, &files, &index, &table)?;
    }
    if args.json {
        let list =
            files.iter().map(|file| json!({"path": file.path, "text": file.text, "executable": file.executable}));
        let files: Vec<_> = list.collect();
        render::print_json(&json!({
            "v": 1,
            "kind": args.kind,
            "dry_run": args.dry_run,
            "files": files,
            "index": {"path": route::PATH, "row": plan.row()},
        }));
    } else {
        tell(&plan, &files, args.dry_run);
    }
    Ok(Exit::Done)
}

/// Writes all of it, the table last: what it names is there then. Where something cannot be written, nothing stays.
fn write(top: &Path, files: &[NewFile], index: &Path, table: &str) -> Result<(), Failure> {
    let mut written = Vec::new();
    let result = files.iter().try_for_each(|file| {
        let path = top.join(&file.path);
        let mut put = || {
            fs::create_dir_all(path.parent().unwrap_or(top))?;
            let mut open = fs::File::create_new(&path)?;
            written.push(path.clone());
            io::Write::write_all(&mut open, file.text.as_bytes())?;
            open.set_permissions(fs::Permissions::from_mode(if file.executable { 0o755 } else { 0o644 }))
        };
        put().map_err(|error| Failure::new(Exit::Unwritable, format!("writing `{}`: {error}", file.path)))
    });
    let result = result.and_then(|()| {
        let mode = fs::metadata(index).map_or(0o644, |found| found.permissions().mode() & 0o777);
        durable::write_file(index, table.as_bytes(), mode).map_err(|error| Failure::of(Exit::Unwritable, &error))
    });
    if result.is_err() {
        for path in written {
            let _ = fs::remove_file(path);
        }
    }
    result
}

fn tell(plan: &Plan, files: &[NewFile], dry_run: bool) {
    let verb = if dry_run { "would write" } else { "wrote" };
    for file in files {
        render::print(format!("{verb} {}", file.path));
        if dry_run {
            render::print(indented(&file.text));
        }
    }
    let row = if dry_run { "would add to" } else { "added to" };
    render::print(format!("{row} {}", route::PATH));
    if dry_run {
        render::print(indented(&plan.row()));
        return;
    }
    let (program, kind) = (render::program(), &plan.kind);
    render::print(format!(
        "\nnext:\n  {program} handler test {kind} examples/{kind}.yml   try it\n  $EDITOR {}   write the work\n  \
         {program} handler test {kind} --update   write down what its fixtures come to\n  {program} check   then commit and merge it",
        plan.handler()
    ));
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  | {line}").trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

fn kind(word: &str) -> Result<String, String> {
    if request::is_reserved(word) {
        return Err("kinds that begin with `dispatch.` are the dispatcher's own".to_owned());
    }
    if request::is_kind(word) {
        return Ok(word.to_owned());
    }
    Err("a kind has letters, digits, `.`, `_` and `-`, 1 to 64 of them, the first a letter or digit".to_owned())
}

fn line(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control);
    // It stands in comments and in a docstring.
    let quiet = !text.contains(['"', '\\']);
    if plain && quiet {
        Ok(text.to_owned())
    } else {
        Err("a line of at most 200 characters without `\"` and `\\`".to_owned())
    }
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|error| error.to_string())
}

fn span(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl From<ScaffoldError> for Failure {
    fn from(error: ScaffoldError) -> Self {
        let exit = match &error {
            ScaffoldError::Exists { .. } => Exit::Unwritable,
            ScaffoldError::Nested { .. } | ScaffoldError::Fault(_) | ScaffoldError::Shape { .. } => Exit::Configuration,
        };
        let failure = Self::new(exit, error.to_string());
        match error {
            ScaffoldError::Exists { .. } => failure.hint("`dispatch kinds` lists what there is; choose another name"),
            _ => failure,
        }
    }
}
