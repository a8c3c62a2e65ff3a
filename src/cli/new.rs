//! `dispatch new KIND`: a request to fill in, written from the kind's schema.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use uuid::Uuid;

use super::asked::{self, RequestArgs};
use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render, schema};
use crate::form;
use crate::id::RequestId;
use crate::job::Row;
use crate::template::{self, Template};
use crate::units::format_duration;

/// Arguments of `new`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch new deploy\n  dispatch new deploy -s target=/srv/www/site --name release-42\n  \
    dispatch new deploy --print\n\n\
    It writes `requests/KIND-….yml` into the work tree, and never over a file that is there. Required fields stand first; a line\n\
    that begins with `#` and no space is a key that may be switched on. Then: dispatch check FILE, dispatch submit FILE."
)]
pub struct NewArgs {
    /// One of `dispatch kinds`
    #[arg(value_name = "KIND")]
    kind: String,

    #[command(flatten)]
    request: RequestArgs,

    /// Write to FILE (relative to -C) and not into the inbox
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["print", "name"])]
    output: Option<PathBuf>,

    /// Print it and write nothing
    #[arg(long)]
    print: bool,
}

/// Answers `new`.
pub fn answer(place: &PlaceArgs, args: &NewArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let contract = asked::contract_here(&home)?;
    let kind = asked::kind(&contract, &args.kind)?;
    let form = kind.schema.as_ref().map(|schema| form::form(schema.value()));
    let id = Uuid::now_v7();
    let stem = args.request.name.clone().unwrap_or_else(|| stem(&args.kind, id));
    asked::check_name(&contract.config.inbox, &stem)?;
    let below = format!("{}/{stem}.yml", contract.config.inbox);
    let (file, shown) = match (&args.output, &home.checkout.work_tree) {
        (Some(file), _) => (place.repo.join(file), file.display().to_string()),
        (None, Some(top)) => (top.join(&below), below),
        (None, None) if args.print => (PathBuf::from(&below), below),
        (None, None) => {
            let failure = Failure::new(Exit::Configuration, "this repository has no work tree to write into");
            return Err(failure.hint("print it with --print, or name a file with -o"));
        }
    };
    let folder = std::path::absolute(file.parent().unwrap_or(Path::new("."))).unwrap_or_default();
    let program = render::program();
    let next = [
        format!("{program} check {shown}       says whether it would run"),
        format!("{program} submit {shown}      puts it on main; or commit it, and have it merged"),
    ];
    let text = template::text(&Template {
        kind: &args.kind,
        description: kind.row.description.as_deref(),
        form: form.as_ref(),
        id,
        spec: &args.request.spec(form.as_ref())?,
        envelope: &args.request.envelope()?,
        schema: schema::for_editors(&home, &contract, &folder).as_deref(),
        next: if args.print { &[][..] } else { &next[..] },
        timeout: &format_duration(kind.row.timeout.unwrap_or(Row::TIMEOUT)),
    });
    if args.print {
        render::print_bytes(text.as_bytes());
        return Ok(Exit::Done);
    }
    write(&file, &text)?;
    render::print(&shown);
    render::say(format!("next: fill it in, then `{program} check {shown}` and `{program} submit {shown}`"));
    Ok(Exit::Done)
}

/// The name of a request that nobody has named.
pub fn stem(kind: &str, id: Uuid) -> String {
    format!("{kind}-{}", RequestId::explicit(id).short())
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let taken = |path: &Path| {
        let failure =
            Failure::new(Exit::Unwritable, format!("`{}` is there already: nothing was written", path.display()));
        Err(failure.hint("name another with --name or -o"))
    };
    // The two endings are one name.
    let twin = path.with_extension(if path.extension().is_some_and(|end| end == "yaml") { "yml" } else { "yaml" });
    if twin.symlink_metadata().is_ok() {
        return taken(&twin);
    }
    let make = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    match make() {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => taken(path),
        Err(error) => Err(Failure::new(Exit::Unwritable, format!("writing `{}`: {error}", path.display()))),
    }
}
